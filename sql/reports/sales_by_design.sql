-- Sales by design and currency: how many orders, how many bags, what they are worth, and when the design first and last sold.
--
-- Values are in the order's own currency and are never added up across currencies. Each order counts once, as it is now. Many designs share
-- a name, so each design number has rows of its own. Designs that were never sold are left out. A design that has not arrived yet has no
-- name.
SELECT
  sale.design_id,
  design.design_name,
  NVL(currency.currency_code, CAST(sale.currency_id AS VARCHAR(12))) AS currency_code,
  COUNT(*) AS orders,
  SUM(sale.units_sold) AS units_sold,
  SUM(sale.units_sold * sale.unit_price) AS sales_value,
  MIN(sale.created_date) AS first_sold,
  MAX(sale.created_date) AS last_sold
FROM star.fact_sales_order_current AS sale
LEFT JOIN star.dim_design AS design ON design.design_id = sale.design_id
LEFT JOIN star.dim_currency AS currency ON currency.currency_id = sale.currency_id
GROUP BY 1, 2, 3
