-- severity: warn
-- Each current payment finds its rows in the dimensions. A dimension's row that is late closes the gap when it arrives.
SELECT dimension, missing_id, COUNT(*) AS facts, MIN(payment_id) AS first_payment_id, MAX(payment_id) AS last_payment_id
FROM (
  SELECT 'dim_transaction' AS dimension, f.transaction_id AS missing_id, f.payment_id
  FROM star.fact_payment_current AS f LEFT JOIN star.dim_transaction AS d ON d.transaction_id = f.transaction_id
  WHERE d.transaction_id IS NULL
  UNION ALL
  SELECT 'dim_counterparty', f.counterparty_id, f.payment_id
  FROM star.fact_payment_current AS f LEFT JOIN star.dim_counterparty AS d ON d.counterparty_id = f.counterparty_id
  WHERE d.counterparty_id IS NULL
  UNION ALL
  SELECT 'dim_currency', f.currency_id, f.payment_id
  FROM star.fact_payment_current AS f LEFT JOIN star.dim_currency AS d ON d.currency_id = f.currency_id
  WHERE d.currency_id IS NULL
  UNION ALL
  SELECT 'dim_payment_type', f.payment_type_id, f.payment_id
  FROM star.fact_payment_current AS f LEFT JOIN star.dim_payment_type AS d ON d.payment_type_id = f.payment_type_id
  WHERE d.payment_type_id IS NULL
) AS missing
GROUP BY dimension, missing_id
