-- severity: warn
-- A payment has its order's counterparty, currency and agreed payment date.
SELECT
  p.payment_id, o.transaction_type, o.order_id,
  p.counterparty_id, o.counterparty_id AS order_counterparty_id,
  p.currency_id, o.currency_id AS order_currency_id,
  p.payment_date, o.agreed_payment_date
FROM totesys.payment AS p
JOIN totesys."transaction" AS t ON t.transaction_id = p.transaction_id
JOIN (
  SELECT 'SALE' AS transaction_type, sales_order_id AS order_id, counterparty_id, currency_id, agreed_payment_date FROM totesys.sales_order
  UNION ALL
  SELECT 'PURCHASE', purchase_order_id, counterparty_id, currency_id, agreed_payment_date FROM totesys.purchase_order
) AS o
  ON o.transaction_type = t.transaction_type
  AND o.order_id = CASE t.transaction_type WHEN 'SALE' THEN t.sales_order_id ELSE t.purchase_order_id END
WHERE p.counterparty_id <> o.counterparty_id OR p.currency_id <> o.currency_id OR p.payment_date <> o.agreed_payment_date
