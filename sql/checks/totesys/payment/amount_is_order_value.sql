-- severity: warn
-- A payment's amount is its order's quantity times the unit price.
SELECT p.payment_id, p.transaction_id, o.transaction_type, o.order_id, p.payment_amount, o.quantity, o.price, o.quantity * o.price AS order_value
FROM totesys.payment AS p
JOIN totesys."transaction" AS t ON t.transaction_id = p.transaction_id
JOIN (
  SELECT 'SALE' AS transaction_type, sales_order_id AS order_id, units_sold AS quantity, unit_price AS price FROM totesys.sales_order
  UNION ALL
  SELECT 'PURCHASE', purchase_order_id, item_quantity, item_unit_price FROM totesys.purchase_order
) AS o
  ON o.transaction_type = t.transaction_type
  AND o.order_id = CASE t.transaction_type WHEN 'SALE' THEN t.sales_order_id ELSE t.purchase_order_id END
WHERE p.payment_amount <> o.quantity * o.price
