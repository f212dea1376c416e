-- severity: error
-- A payment type is one of the four members of the source's enumeration.
SELECT payment_type_id, payment_type_name
FROM totesys.payment_type
WHERE payment_type_name NOT IN ('SALES_RECEIPT', 'SALES_REFUND', 'PURCHASE_PAYMENT', 'PURCHASE_REFUND')
