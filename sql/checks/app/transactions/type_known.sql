-- severity: warn
-- A type, if there is one, is purchase, refund, transfer or payment. The source accepts any text.
SELECT id, user_id, transaction_type
FROM app.transactions
WHERE transaction_type NOT IN ('purchase', 'refund', 'transfer', 'payment')
