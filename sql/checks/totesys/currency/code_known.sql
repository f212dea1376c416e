-- severity: warn
-- The company deals in pounds, dollars and euros. Another currency is new to it: make sure that it has rates before you use a report in
-- pounds.
SELECT currency_id, currency_code
FROM totesys.currency
WHERE currency_code NOT IN ('GBP', 'USD', 'EUR')
