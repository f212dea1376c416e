-- severity: warn
-- The calendar leaves out no day between its first and its last. It has the years that facts need, so a gap of years means a mistyped date.
SELECT date_id AS last_day_before, next_day AS first_day_after, next_day - date_id - 1 AS days_missing
FROM (SELECT date_id, LEAD(date_id) OVER (ORDER BY date_id) AS next_day FROM star.dim_date) AS days
WHERE next_day - date_id <> 1
