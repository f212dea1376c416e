-- severity: warn
-- An amount is more than nothing, a refund's too: the type says which way the money goes. Some are not known at all.
SELECT id, user_id, transaction_type, amount
FROM app.transactions
WHERE amount <= 0
