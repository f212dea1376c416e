-- Payments that fell due, by month, type and currency: how many the source's flag calls unpaid, and how many of those are overdue.
--
-- The source sets the flag `paid` in a run early in the morning of the payment date, Monday to Friday, and at no other time. Three kinds of
-- payment keep `paid = false` for ever, paid or not: those due on a weekend (`weekend`), those entered on or after their payment date
-- (`entered_late`), and those due on a day without a run (`no_run`). The source does not say whether their money came; the bank does. A
-- payment is `overdue` if its day had a run, the payment existed by then, and the flag is still not set. Each payment counts under the
-- first of these that fits, so `unpaid_by_flag = weekend + entered_late + no_run + overdue`.
--
-- A payment is due if its payment date is before `as_of`, the newest day on which the source wrote a payment; the current date has
-- no effect. A day had a run if a payment of that day was flagged on it. Amounts are in the payment's own currency and are never added up
-- across currencies.
WITH clock AS (
  SELECT MAX(GREATEST(created_date, last_updated_date)) AS as_of
  FROM star.fact_payment_current
), run AS (
  SELECT DISTINCT last_updated_date AS run_date
  FROM star.fact_payment_current
  WHERE paid AND last_updated_date = payment_date
), due AS (
  SELECT
    payment.payment_date,
    payment.payment_type_id,
    payment.currency_id,
    payment.payment_amount,
    clock.as_of,
    CASE
      WHEN payment.paid THEN 'paid'
      WHEN DATE_PART('dow', payment.payment_date) IN (0, 6) THEN 'weekend'
      WHEN payment.created_date >= payment.payment_date THEN 'entered_late'
      WHEN run.run_date IS NULL THEN 'no_run'
      ELSE 'overdue'
    END AS state
  FROM star.fact_payment_current AS payment
  CROSS JOIN clock
  LEFT JOIN run ON run.run_date = payment.payment_date
  WHERE payment.payment_date < clock.as_of
)
SELECT
  CAST(DATE_TRUNC('month', due.payment_date) AS DATE) AS due_month,
  NVL(payment_type.payment_type_name, CAST(due.payment_type_id AS VARCHAR(12))) AS payment_type,
  NVL(currency.currency_code, CAST(due.currency_id AS VARCHAR(12))) AS currency_code,
  due.as_of,
  COUNT(*) AS payments_due,
  SUM(due.payment_amount) AS amount_due,
  COUNT(CASE WHEN due.state <> 'paid' THEN 1 END) AS unpaid_by_flag,
  COUNT(CASE WHEN due.state = 'weekend' THEN 1 END) AS weekend,
  COUNT(CASE WHEN due.state = 'entered_late' THEN 1 END) AS entered_late,
  COUNT(CASE WHEN due.state = 'no_run' THEN 1 END) AS no_run,
  COUNT(CASE WHEN due.state = 'overdue' THEN 1 END) AS overdue,
  SUM(CASE WHEN due.state <> 'paid' THEN due.payment_amount ELSE 0 END) AS amount_unpaid_by_flag,
  SUM(CASE WHEN due.state = 'overdue' THEN due.payment_amount ELSE 0 END) AS amount_overdue
FROM due
LEFT JOIN star.dim_payment_type AS payment_type ON payment_type.payment_type_id = due.payment_type_id
LEFT JOIN star.dim_currency AS currency ON currency.currency_id = due.currency_id
GROUP BY 1, 2, 3, 4
