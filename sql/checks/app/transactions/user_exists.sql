-- severity: warn
-- The user that a transaction names exists. If the transaction landed after the users did, the next landing of the users closes the gap.
SELECT t.id, t.user_id, t.amount
FROM app.transactions AS t
LEFT JOIN app.users AS u ON u.id = t.user_id
WHERE t.user_id IS NOT NULL AND u.id IS NULL
