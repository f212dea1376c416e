-- severity: error
-- A year in the calendar has all of its days, each of them once.
SELECT year, COUNT(*) AS days, COUNT(DISTINCT date_id) AS different_days, MIN(date_id) AS first_day, MAX(date_id) AS last_day
FROM star.dim_date
GROUP BY year
HAVING COUNT(DISTINCT date_id) <> COUNT(*)
  OR COUNT(*) <> DATEDIFF(day, DATE_TRUNC('year', MIN(date_id)), DATEADD(year, 1, DATE_TRUNC('year', MIN(date_id))))
