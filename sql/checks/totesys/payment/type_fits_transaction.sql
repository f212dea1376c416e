-- severity: warn
-- A payment for a sale is a sales receipt or a sales refund. A payment for a purchase is a purchase payment or a purchase refund.
SELECT p.payment_id, p.transaction_id, t.transaction_type, p.payment_type_id, y.payment_type_name
FROM totesys.payment AS p
JOIN totesys."transaction" AS t ON t.transaction_id = p.transaction_id
JOIN totesys.payment_type AS y ON y.payment_type_id = p.payment_type_id
WHERE (t.transaction_type = 'SALE') <> (y.payment_type_name IN ('SALES_RECEIPT', 'SALES_REFUND'))
