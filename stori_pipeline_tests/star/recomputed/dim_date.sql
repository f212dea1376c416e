-- Every day of every calendar year that a current fact needs a day of.
WITH needed AS (
  SELECT created_at::date AS day FROM sales_order
  UNION SELECT last_updated::date FROM sales_order
  UNION SELECT agreed_payment_date::date FROM sales_order
  UNION SELECT agreed_delivery_date::date FROM sales_order
  UNION SELECT created_at::date FROM purchase_order
  UNION SELECT last_updated::date FROM purchase_order
  UNION SELECT agreed_payment_date::date FROM purchase_order
  UNION SELECT agreed_delivery_date::date FROM purchase_order
  UNION SELECT created_at::date FROM payment
  UNION SELECT last_updated::date FROM payment
  UNION SELECT payment_date::date FROM payment
),
years AS (SELECT DISTINCT date_trunc('year', day) AS first FROM needed)
SELECT
  day::date AS date_id,
  extract(year FROM day)::int AS year,
  extract(month FROM day)::int AS month,
  extract(day FROM day)::int AS day,
  extract(isodow FROM day)::int AS day_of_week,
  to_char(day, 'FMDay') AS day_name,
  to_char(day, 'FMMonth') AS month_name,
  extract(quarter FROM day)::int AS quarter
FROM years, generate_series(first, first + interval '1 year - 1 day', interval '1 day') AS day
