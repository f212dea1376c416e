-- severity: warn
-- Each transaction has exactly one payment. If the transaction landed after the payments did, the next landing of the payments closes the
-- gap.
SELECT t.transaction_id, t.transaction_type, COUNT(p.payment_id) AS payments, MIN(p.payment_id) AS first_payment, MAX(p.payment_id) AS last_payment
FROM totesys."transaction" AS t
LEFT JOIN totesys.payment AS p ON p.transaction_id = t.transaction_id
GROUP BY t.transaction_id, t.transaction_type
HAVING COUNT(p.payment_id) <> 1
