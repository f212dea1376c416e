-- severity: warn
-- Each purchase order has exactly one transaction. If the order landed after the transactions did, the next landing of the transactions
-- closes the gap.
SELECT o.purchase_order_id, COUNT(t.transaction_id) AS transactions, MIN(t.transaction_id) AS first_transaction, MAX(t.transaction_id) AS last_transaction
FROM totesys.purchase_order AS o
LEFT JOIN totesys."transaction" AS t ON t.purchase_order_id = o.purchase_order_id
GROUP BY o.purchase_order_id
HAVING COUNT(t.transaction_id) <> 1
