-- severity: error
-- The versions are numbered from 1, without a gap or a repeat.
SELECT COUNT(*) AS versions, COUNT(DISTINCT payment_record_id) AS numbers, MIN(payment_record_id) AS lowest, MAX(payment_record_id) AS highest
FROM star.fact_payment
HAVING MIN(payment_record_id) <> 1 OR MAX(payment_record_id) <> COUNT(*) OR COUNT(DISTINCT payment_record_id) <> COUNT(*)
