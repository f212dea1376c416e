-- severity: warn
-- Each sales order has exactly one transaction. One that has landed since the transactions did closes with their next landing.
SELECT o.sales_order_id, COUNT(t.transaction_id) AS transactions, MIN(t.transaction_id) AS first_transaction, MAX(t.transaction_id) AS last_transaction
FROM totesys.sales_order AS o
LEFT JOIN totesys."transaction" AS t ON t.sales_order_id = o.sales_order_id
GROUP BY o.sales_order_id
HAVING COUNT(t.transaction_id) <> 1
