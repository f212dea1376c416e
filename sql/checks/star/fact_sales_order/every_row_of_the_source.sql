-- severity: warn
-- Each sales order of the source has a current version, and no current version is of a sales order that the source no longer has. A row
-- with a text that is no date is in quarantine instead. A row that landed in between is settled by the next run.
SELECT
  COALESCE(f.sales_order_id, s.sales_order_id) AS sales_order_id,
  CASE WHEN f.sales_order_id IS NULL THEN 'in the source only' ELSE 'in the fact only' END AS verdict
FROM star.fact_sales_order_current AS f
FULL JOIN totesys.sales_order AS s ON s.sales_order_id = f.sales_order_id
WHERE f.sales_order_id IS NULL OR s.sales_order_id IS NULL
