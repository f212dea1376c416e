-- severity: error
-- Each payment has at most one current version.
SELECT payment_id, COUNT(*) AS versions, MIN(payment_record_id) AS first_record, MAX(payment_record_id) AS last_record
FROM star.fact_payment_current
GROUP BY payment_id
HAVING COUNT(*) > 1
