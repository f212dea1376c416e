-- severity: warn
-- An amount is above zero, a refund's too: the type says which way the money goes. An amount may be unknown.
SELECT id, user_id, transaction_type, amount
FROM app.transactions
WHERE amount <= 0
