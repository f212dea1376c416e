-- Purchases by department and currency: how many orders, how many items, and what they cost.
--
-- The department is that in which the member of staff who answers for the order works today; where people worked when they ordered is not
-- kept. Values are in the order's own currency and are never added up across currencies. Each order counts once, as it is now. Orders
-- whose member of staff has not arrived yet have no department.
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
