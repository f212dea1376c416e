-- severity: error
-- A payment type is one of the four that the source's enumeration has.
SELECT payment_type_id, payment_type_name
FROM totesys.payment_type
WHERE payment_type_name NOT IN ('SALES_RECEIPT', 'SALES_REFUND', 'PURCHASE_PAYMENT', 'PURCHASE_REFUND')
