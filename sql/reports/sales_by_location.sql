-- Sales by place of delivery and currency: how many orders, how many bags, and what they are worth.
--
-- The place is the agreed delivery address as it is now. The source corrects it without a trace, so figures of past days may move from one
-- place to another. Values are in the order's own currency and are never added up across currencies. Each order counts once, as it is now.
SELECT
  sale.agreed_delivery_location_id AS location_id,
  location.city,
  location.country,
  NVL(currency.currency_code, CAST(sale.currency_id AS VARCHAR(12))) AS currency_code,
  COUNT(*) AS orders,
  SUM(sale.units_sold) AS units_sold,
  SUM(sale.units_sold * sale.unit_price) AS sales_value
FROM star.fact_sales_order_current AS sale
LEFT JOIN star.dim_location AS location ON location.location_id = sale.agreed_delivery_location_id
LEFT JOIN star.dim_currency AS currency ON currency.currency_id = sale.currency_id
GROUP BY 1, 2, 3, 4
