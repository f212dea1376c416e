-- severity: warn
-- An order is for 1,000 to 100,000 units at a unit price of 2.00 to 4.00, like every order so far.
SELECT sales_order_id, units_sold, unit_price
FROM totesys.sales_order
WHERE units_sold NOT BETWEEN 1000 AND 100000 OR unit_price NOT BETWEEN 2 AND 4
