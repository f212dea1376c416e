-- Sales by month and currency: how many orders, how many bags, and what they are worth.
--
-- The month is the one in which the order was entered. Values are in the order's own currency and are never added up across currencies.
-- Each order counts once, as it is now; orders that the source has deleted do not count. A currency that has not arrived yet shows as its
-- number.
SELECT
  CAST(DATE_TRUNC('month', sale.created_date) AS DATE) AS month,
  NVL(currency.currency_code, CAST(sale.currency_id AS VARCHAR(12))) AS currency_code,
  COUNT(*) AS orders,
  SUM(sale.units_sold) AS units_sold,
  SUM(sale.units_sold * sale.unit_price) AS sales_value,
  CAST(SUM(sale.units_sold * sale.unit_price) / SUM(sale.units_sold) AS DECIMAL(10, 2)) AS average_unit_price
FROM star.fact_sales_order_current AS sale
LEFT JOIN star.dim_currency AS currency ON currency.currency_id = sale.currency_id
GROUP BY 1, 2
