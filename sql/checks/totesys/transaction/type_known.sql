-- severity: error
-- A transaction is a SALE or a PURCHASE, the two members of the source's enumeration.
SELECT transaction_id, transaction_type
FROM totesys."transaction"
WHERE transaction_type NOT IN ('SALE', 'PURCHASE')
