-- severity: warn
-- Both agreed dates are real days, written yyyy-mm-dd. The source accepts any text.
SELECT purchase_order_id, column_name, date_text
FROM (
  SELECT purchase_order_id, 'agreed_delivery_date' AS column_name, agreed_delivery_date AS date_text FROM totesys.purchase_order
  UNION ALL
  SELECT purchase_order_id, 'agreed_payment_date' AS column_name, agreed_payment_date AS date_text FROM totesys.purchase_order
) AS written
WHERE CASE
  WHEN date_text !~ '^(19|20|21)[0-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' THEN TRUE
  ELSE CAST(SUBSTRING(date_text, 9, 2) AS INTEGER) > EXTRACT(DAY FROM LAST_DAY(CAST(SUBSTRING(date_text, 1, 8) || '01' AS DATE)))
END
