-- severity: error
-- A transaction is a SALE or a PURCHASE: the source's enumeration has no other member.
SELECT transaction_id, transaction_type
FROM totesys."transaction"
WHERE transaction_type NOT IN ('SALE', 'PURCHASE')
