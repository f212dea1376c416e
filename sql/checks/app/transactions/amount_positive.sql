-- severity: warn
-- Every amount is more than nothing, a refund's too: the type says which way the money goes.
SELECT id, user_id, transaction_type, amount
FROM app.transactions
WHERE amount <= 0 OR amount IS NULL
