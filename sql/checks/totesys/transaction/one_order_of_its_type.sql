-- severity: warn
-- A SALE has a sales order and no purchase order. A PURCHASE has a purchase order and no sales order. The source clears both when it
-- deletes an order.
SELECT transaction_id, transaction_type, sales_order_id, purchase_order_id
FROM totesys."transaction"
WHERE (transaction_type = 'SALE') <> (sales_order_id IS NOT NULL)
  OR (transaction_type = 'PURCHASE') <> (purchase_order_id IS NOT NULL)
