-- severity: warn
-- An order is of 1 to 1,000 items at more than nothing and at most 1,000.00 each, as every order so far.
SELECT purchase_order_id, item_code, item_quantity, item_unit_price
FROM totesys.purchase_order
WHERE item_quantity NOT BETWEEN 1 AND 1000 OR item_unit_price <= 0 OR item_unit_price > 1000
