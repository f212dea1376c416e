-- severity: error
-- Each sales order has at most one current version.
SELECT sales_order_id, COUNT(*) AS versions, MIN(sales_record_id) AS first_record, MAX(sales_record_id) AS last_record
FROM star.fact_sales_order_current
GROUP BY sales_order_id
HAVING COUNT(*) > 1
