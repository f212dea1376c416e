-- severity: warn
-- An order is for 1 to 1,000 items at a unit price above zero and up to 1,000.00, like every order so far.
SELECT purchase_order_id, item_code, item_quantity, item_unit_price
FROM totesys.purchase_order
WHERE item_quantity NOT BETWEEN 1 AND 1000 OR item_unit_price <= 0 OR item_unit_price > 1000
