-- severity: warn
-- Each current sales order finds its rows in the dimensions. A dimension's row that is late closes the gap when it arrives.
SELECT dimension, missing_id, COUNT(*) AS facts, MIN(sales_order_id) AS first_sales_order_id, MAX(sales_order_id) AS last_sales_order_id
FROM (
  SELECT 'dim_staff' AS dimension, f.sales_staff_id AS missing_id, f.sales_order_id
  FROM star.fact_sales_order_current AS f LEFT JOIN star.dim_staff AS d ON d.staff_id = f.sales_staff_id
  WHERE d.staff_id IS NULL
  UNION ALL
  SELECT 'dim_counterparty', f.counterparty_id, f.sales_order_id
  FROM star.fact_sales_order_current AS f LEFT JOIN star.dim_counterparty AS d ON d.counterparty_id = f.counterparty_id
  WHERE d.counterparty_id IS NULL
  UNION ALL
  SELECT 'dim_currency', f.currency_id, f.sales_order_id
  FROM star.fact_sales_order_current AS f LEFT JOIN star.dim_currency AS d ON d.currency_id = f.currency_id
  WHERE d.currency_id IS NULL
  UNION ALL
  SELECT 'dim_design', f.design_id, f.sales_order_id
  FROM star.fact_sales_order_current AS f LEFT JOIN star.dim_design AS d ON d.design_id = f.design_id
  WHERE d.design_id IS NULL
  UNION ALL
  SELECT 'dim_location', f.agreed_delivery_location_id, f.sales_order_id
  FROM star.fact_sales_order_current AS f LEFT JOIN star.dim_location AS d ON d.location_id = f.agreed_delivery_location_id
  WHERE d.location_id IS NULL
) AS missing
GROUP BY dimension, missing_id
