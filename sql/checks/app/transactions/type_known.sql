-- severity: warn
-- A transaction is a purchase, a refund, a transfer or a payment. The source keeps text and admits any.
SELECT id, user_id, transaction_type
FROM app.transactions
WHERE transaction_type IS NULL OR transaction_type NOT IN ('purchase', 'refund', 'transfer', 'payment')
