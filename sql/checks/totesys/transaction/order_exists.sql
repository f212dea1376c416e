-- severity: warn
-- The order that a transaction names exists. If the transaction landed after the orders did, the next landing of the orders closes the gap.
SELECT t.transaction_id, t.transaction_type, t.sales_order_id, t.purchase_order_id
FROM totesys."transaction" AS t
LEFT JOIN totesys.sales_order AS s ON s.sales_order_id = t.sales_order_id
LEFT JOIN totesys.purchase_order AS p ON p.purchase_order_id = t.purchase_order_id
WHERE (t.sales_order_id IS NOT NULL AND s.sales_order_id IS NULL)
  OR (t.purchase_order_id IS NOT NULL AND p.purchase_order_id IS NULL)
