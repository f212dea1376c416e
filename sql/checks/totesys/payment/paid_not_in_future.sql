-- severity: warn
-- Nothing is paid before its payment date. As text, days compare in their order; what is no day is another check's finding.
SELECT payment_id, paid, payment_date, last_updated
FROM totesys.payment
WHERE paid AND payment_date > TO_CHAR(GETDATE(), 'YYYY-MM-DD')
