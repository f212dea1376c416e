-- severity: error
-- The versions are numbered from 1, without a gap or a repeat.
SELECT COUNT(*) AS versions, COUNT(DISTINCT purchase_record_id) AS numbers, MIN(purchase_record_id) AS lowest, MAX(purchase_record_id) AS highest
FROM star.fact_purchase_orders
HAVING MIN(purchase_record_id) <> 1 OR MAX(purchase_record_id) <> COUNT(*) OR COUNT(DISTINCT purchase_record_id) <> COUNT(*)
