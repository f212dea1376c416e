-- severity: warn
-- The payment date is a real day, written yyyy-mm-dd. The source accepts any text.
SELECT payment_id, column_name, date_text
FROM (
  SELECT payment_id, 'payment_date' AS column_name, payment_date AS date_text FROM totesys.payment
) AS written
WHERE CASE
  WHEN date_text !~ '^(19|20|21)[0-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' THEN TRUE
  ELSE CAST(SUBSTRING(date_text, 9, 2) AS INTEGER) > EXTRACT(DAY FROM LAST_DAY(CAST(SUBSTRING(date_text, 1, 8) || '01' AS DATE)))
END
