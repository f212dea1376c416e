-- severity: warn
-- Each purchase order of the source has a current version, and no current version is of a purchase order that the source no longer has. A
-- row with a text that is no date is in quarantine instead. A row that landed in between is settled by the next run.
SELECT
  COALESCE(f.purchase_order_id, s.purchase_order_id) AS purchase_order_id,
  CASE WHEN f.purchase_order_id IS NULL THEN 'in the source only' ELSE 'in the fact only' END AS verdict
FROM star.fact_purchase_orders_current AS f
FULL JOIN totesys.purchase_order AS s ON s.purchase_order_id = f.purchase_order_id
WHERE f.purchase_order_id IS NULL OR s.purchase_order_id IS NULL
