-- severity: warn
-- The company deals in pounds, dollars and euros. Another currency is new to it: see that there is a rate for it before any report adds it up.
SELECT currency_id, currency_code
FROM totesys.currency
WHERE currency_code NOT IN ('GBP', 'USD', 'EUR')
