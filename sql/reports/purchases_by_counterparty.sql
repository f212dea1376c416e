-- Purchases by counterparty and currency: how many orders, how many items, what they cost, and when the last order was entered.
--
-- Values are in the order's own currency and are never added up across currencies. Each order counts once, as it is now. A counterparty
-- that has not arrived yet has no name.
SELECT
  purchase.counterparty_id,
  counterparty.counterparty_legal_name,
  counterparty.counterparty_legal_country AS country,
  NVL(currency.currency_code, CAST(purchase.currency_id AS VARCHAR(12))) AS currency_code,
  COUNT(*) AS orders,
  SUM(purchase.item_quantity) AS items,
  SUM(purchase.item_quantity * purchase.item_unit_price) AS purchase_value,
  MAX(purchase.created_date) AS last_ordered
FROM star.fact_purchase_orders_current AS purchase
LEFT JOIN star.dim_counterparty AS counterparty ON counterparty.counterparty_id = purchase.counterparty_id
LEFT JOIN star.dim_currency AS currency ON currency.currency_id = purchase.currency_id
GROUP BY 1, 2, 3, 4
