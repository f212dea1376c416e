-- severity: warn
-- The calendar has every day that any version of a fact names. A calendar that is late closes the gap when it arrives.
SELECT fact, column_name, needed_day, COUNT(*) AS versions
FROM (
  SELECT 'fact_sales_order' AS fact, 'created_date' AS column_name, created_date AS needed_day FROM star.fact_sales_order
  UNION ALL
  SELECT 'fact_sales_order', 'last_updated_date', last_updated_date FROM star.fact_sales_order
  UNION ALL
  SELECT 'fact_sales_order', 'agreed_payment_date', agreed_payment_date FROM star.fact_sales_order
  UNION ALL
  SELECT 'fact_sales_order', 'agreed_delivery_date', agreed_delivery_date FROM star.fact_sales_order
  UNION ALL
  SELECT 'fact_purchase_orders', 'created_date', created_date FROM star.fact_purchase_orders
  UNION ALL
  SELECT 'fact_purchase_orders', 'last_updated_date', last_updated_date FROM star.fact_purchase_orders
  UNION ALL
  SELECT 'fact_purchase_orders', 'agreed_payment_date', agreed_payment_date FROM star.fact_purchase_orders
  UNION ALL
  SELECT 'fact_purchase_orders', 'agreed_delivery_date', agreed_delivery_date FROM star.fact_purchase_orders
  UNION ALL
  SELECT 'fact_payment', 'created_date', created_date FROM star.fact_payment
  UNION ALL
  SELECT 'fact_payment', 'last_updated_date', last_updated_date FROM star.fact_payment
  UNION ALL
  SELECT 'fact_payment', 'payment_date', payment_date FROM star.fact_payment
) AS needed
LEFT JOIN star.dim_date AS calendar ON calendar.date_id = needed.needed_day
WHERE calendar.date_id IS NULL
GROUP BY fact, column_name, needed_day
