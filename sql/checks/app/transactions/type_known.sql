-- severity: warn
-- A type is purchase, refund, transfer or payment, where there is one. The source keeps text and admits any.
SELECT id, user_id, transaction_type
FROM app.transactions
WHERE transaction_type NOT IN ('purchase', 'refund', 'transfer', 'payment')
