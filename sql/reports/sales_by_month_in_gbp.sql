-- Sales by month in pounds sterling, each order at its day's rate, with the rates used.
--
-- The month is the one in which the order was entered. A rate says how much of the order's currency one pound buys. An order uses the rate
-- of the day on which it was entered or, if that day has none, the last rate before it. Each order's value is converted and rounded by
-- itself. `oldest_rate_days` says how many days before its order the oldest of these rates was published. Orders without a rate, such as
-- those in a currency that has not arrived yet, count in `orders_without_rate` and `sales_value`, and not in `sales_value_gbp`.
WITH rate AS (
  SELECT
    currency,
    rate,
    rate_date,
    LEAD(rate_date) OVER (PARTITION BY currency ORDER BY rate_date) AS next_rate_date
  FROM rates.daily
  WHERE base = 'GBP'
),
sale AS (
  SELECT
    placed.created_date,
    NVL(currency.currency_code, CAST(placed.currency_id AS VARCHAR(12))) AS currency_code,
    placed.units_sold * placed.unit_price AS sales_value,
    CASE WHEN currency.currency_code = 'GBP' THEN CAST(1 AS DECIMAL(18, 8)) ELSE rate.rate END AS rate,
    CASE WHEN currency.currency_code = 'GBP' THEN placed.created_date ELSE rate.rate_date END AS rate_date
  FROM star.fact_sales_order_current AS placed
  LEFT JOIN star.dim_currency AS currency ON currency.currency_id = placed.currency_id
  LEFT JOIN rate
    ON rate.currency = currency.currency_code
    AND rate.rate_date <= placed.created_date
    AND (rate.next_rate_date IS NULL OR rate.next_rate_date > placed.created_date)
)
SELECT
  CAST(DATE_TRUNC('month', created_date) AS DATE) AS month,
  currency_code,
  COUNT(*) AS orders,
  SUM(CASE WHEN rate IS NULL THEN 1 ELSE 0 END) AS orders_without_rate,
  SUM(sales_value) AS sales_value,
  SUM(CAST(ROUND(CAST(sales_value AS DECIMAL(18, 2)) / rate, 2) AS DECIMAL(18, 2))) AS sales_value_gbp,
  MIN(rate) AS lowest_rate,
  MAX(rate) AS highest_rate,
  MAX(created_date - rate_date) AS oldest_rate_days
FROM sale
GROUP BY 1, 2
