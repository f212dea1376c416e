-- severity: error
-- The versions are numbered from 1, without a gap or a repeat.
SELECT COUNT(*) AS versions, COUNT(DISTINCT sales_record_id) AS numbers, MIN(sales_record_id) AS lowest, MAX(sales_record_id) AS highest
FROM star.fact_sales_order
HAVING MIN(sales_record_id) <> 1 OR MAX(sales_record_id) <> COUNT(*) OR COUNT(DISTINCT sales_record_id) <> COUNT(*)
