-- severity: error
-- Each payment that the flag calls unpaid counts once: as overdue, or under the reason why it is not. Every current payment that fell due
-- is in the report.
SELECT due_month, payment_type, currency_code, payments_due, unpaid_by_flag, weekend + entered_late + no_run + overdue AS explained
FROM reports.payments_overdue
WHERE unpaid_by_flag <> weekend + entered_late + no_run + overdue OR unpaid_by_flag > payments_due
UNION ALL
SELECT NULL, 'all of them', NULL, report.payments_due, NULL, fact.payments_due
FROM (SELECT NVL(SUM(payments_due), 0) AS payments_due FROM reports.payments_overdue) AS report
CROSS JOIN (
  SELECT COUNT(CASE WHEN payment_date < as_of THEN 1 END) AS payments_due
  FROM star.fact_payment_current
  CROSS JOIN (SELECT MAX(GREATEST(created_date, last_updated_date)) AS as_of FROM star.fact_payment_current) AS clock
) AS fact
WHERE report.payments_due <> fact.payments_due
