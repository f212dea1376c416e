-- severity: warn
-- No payment is flagged as paid before its payment date. Days compare as text, in their order; `dates_are_days` finds text that is no day.
SELECT payment_id, paid, payment_date, last_updated
FROM totesys.payment
WHERE paid AND payment_date > TO_CHAR(GETDATE(), 'YYYY-MM-DD')
