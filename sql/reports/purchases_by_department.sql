-- Purchases by department and currency: how many orders, how many items, and what they cost.
--
-- The department is the one in which the order's member of staff works today; the department at the time of the order is not kept. Values
-- are in the order's own currency and are never added up across currencies. Each order counts once, as it is now. An order whose member of
-- staff has not arrived yet has no department.
SELECT
  staff.department_name,
  NVL(currency.currency_code, CAST(purchase.currency_id AS VARCHAR(12))) AS currency_code,
  COUNT(*) AS orders,
  COUNT(DISTINCT purchase.staff_id) AS staff,
  SUM(purchase.item_quantity) AS items,
  SUM(purchase.item_quantity * purchase.item_unit_price) AS purchase_value
FROM star.fact_purchase_orders_current AS purchase
LEFT JOIN star.dim_staff AS staff ON staff.staff_id = purchase.staff_id
LEFT JOIN star.dim_currency AS currency ON currency.currency_id = purchase.currency_id
GROUP BY 1, 2
