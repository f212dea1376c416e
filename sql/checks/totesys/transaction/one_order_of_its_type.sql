-- severity: warn
-- A SALE is of a sales order and of no purchase order, a PURCHASE the other way round. The source clears both when an order is deleted.
SELECT transaction_id, transaction_type, sales_order_id, purchase_order_id
FROM totesys."transaction"
WHERE (transaction_type = 'SALE') <> (sales_order_id IS NOT NULL)
  OR (transaction_type = 'PURCHASE') <> (purchase_order_id IS NOT NULL)
