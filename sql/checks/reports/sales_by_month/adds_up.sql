-- severity: error
-- All months and currencies together have each current order, and each of its bags, exactly once.
SELECT report.orders, fact.orders AS orders_of_fact, report.units_sold, fact.units_sold AS units_sold_of_fact
FROM (SELECT NVL(SUM(orders), 0) AS orders, NVL(SUM(units_sold), 0) AS units_sold FROM reports.sales_by_month) AS report
CROSS JOIN (SELECT COUNT(*) AS orders, NVL(SUM(units_sold), 0) AS units_sold FROM star.fact_sales_order_current) AS fact
WHERE report.orders <> fact.orders OR report.units_sold <> fact.units_sold
