-- severity: warn
-- Each payment of the source has a current version, and no current version is of a payment that the source no longer has. A row with a text
-- that is no date is in quarantine instead. A row that landed in between is settled by the next run.
SELECT
  COALESCE(f.payment_id, s.payment_id) AS payment_id,
  CASE WHEN f.payment_id IS NULL THEN 'in the source only' ELSE 'in the fact only' END AS verdict
FROM star.fact_payment_current AS f
FULL JOIN totesys.payment AS s ON s.payment_id = f.payment_id
WHERE f.payment_id IS NULL OR s.payment_id IS NULL
