-- severity: warn
-- An account has exactly one balance on each day from its first to its last.
SELECT account_no, COUNT(*) AS balances, COUNT(DISTINCT day) AS days, MIN(day) AS first_day, MAX(day) AS last_day
FROM reports.account_balances_by_day
GROUP BY account_no
HAVING COUNT(*) <> COUNT(DISTINCT day) OR COUNT(*) <> DATEDIFF(day, MIN(day), MAX(day)) + 1
