-- severity: error
-- Each purchase order has at most one current version.
SELECT purchase_order_id, COUNT(*) AS versions, MIN(purchase_record_id) AS first_record, MAX(purchase_record_id) AS last_record
FROM star.fact_purchase_orders_current
GROUP BY purchase_order_id
HAVING COUNT(*) > 1
