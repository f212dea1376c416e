-- severity: warn
-- Both agreed dates are real days, written yyyy-mm-dd. The source keeps text and admits any.
SELECT sales_order_id, column_name, said
FROM (
  SELECT sales_order_id, 'agreed_delivery_date' AS column_name, agreed_delivery_date AS said FROM totesys.sales_order
  UNION ALL
  SELECT sales_order_id, 'agreed_payment_date' AS column_name, agreed_payment_date AS said FROM totesys.sales_order
) AS written
WHERE CASE
  WHEN said !~ '^(19|20|21)[0-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' THEN TRUE
  ELSE CAST(SUBSTRING(said, 9, 2) AS INTEGER) > EXTRACT(DAY FROM LAST_DAY(CAST(SUBSTRING(said, 1, 8) || '01' AS DATE)))
END
