-- severity: warn
-- A transaction that names a user names one that is there. One that has landed since the users did closes with their next landing.
SELECT t.id, t.user_id, t.amount
FROM app.transactions AS t
LEFT JOIN app.users AS u ON u.id = t.user_id
WHERE t.user_id IS NOT NULL AND u.id IS NULL
