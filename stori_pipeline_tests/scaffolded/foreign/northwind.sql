-- Of Northwind's shape: names with capitals and blanks, money, char keys, bytea, a composite key, a self reference, views.
CREATE TABLE "Categories" ("CategoryID" serial PRIMARY KEY, "CategoryName" varchar(15) NOT NULL, "Description" text, "Picture" bytea);
CREATE TABLE "Customers" (
  "CustomerID" char(5) PRIMARY KEY, "Company Name" varchar(40) NOT NULL, "Contact Title" varchar(30), "Postal Code" varchar(10), "Fax" varchar(24));
CREATE TABLE "Employees" (
  "EmployeeID" smallint PRIMARY KEY, "LastName" varchar(20) NOT NULL, "BirthDate" date, "HireDate" timestamp, "Photo" bytea,
  "ReportsTo" smallint REFERENCES "Employees");
CREATE TABLE "Products" (
  "ProductID" int PRIMARY KEY, "ProductName" varchar(40) NOT NULL, "CategoryID" int REFERENCES "Categories", "UnitPrice" money,
  "UnitsInStock" smallint DEFAULT 0, "Discontinued" boolean NOT NULL DEFAULT false);
CREATE TABLE "Orders" (
  "OrderID" int PRIMARY KEY, "CustomerID" char(5) REFERENCES "Customers", "EmployeeID" smallint REFERENCES "Employees",
  "OrderDate" timestamp, "Required Date" date, "Freight" money DEFAULT 0, "Ship Name" varchar(40));
CREATE TABLE "Order Details" (
  "OrderID" int REFERENCES "Orders", "ProductID" int REFERENCES "Products", "UnitPrice" money NOT NULL, "Quantity" smallint NOT NULL,
  "Discount" real NOT NULL, PRIMARY KEY ("OrderID", "ProductID"));
CREATE TABLE "Region" ("RegionID" int NOT NULL, "RegionDescription" char(50) NOT NULL);
CREATE TABLE "EmployeeTerritories" ("EmployeeID" smallint, "TerritoryID" varchar(20), PRIMARY KEY ("EmployeeID", "TerritoryID"));

INSERT INTO "Categories" ("CategoryName", "Description", "Picture")
  SELECT 'Category ' || n, repeat('Süßes, "Salziges"' || E'\n', n), decode(md5(n::text), 'hex') FROM generate_series(1, 8) n;
INSERT INTO "Customers" SELECT chr(65 + n % 26) || left(md5(n::text), n % 4), 'Company ' || n, NULLIF('Sales ' || n % 5, 'Sales 0'),
  to_char(n, '00000'), NULL FROM generate_series(1, 90) n ON CONFLICT DO NOTHING;
INSERT INTO "Employees" SELECT n, 'Name ' || n, DATE '1950-01-01' + n * 100, TIMESTAMP '1992-03-29 02:30' + n * INTERVAL '1 day 1.5 seconds',
  decode(repeat('ff00', n), 'hex'), NULLIF(n / 2, 0) FROM generate_series(1, 9) n;
INSERT INTO "Products" SELECT n, 'Product ' || n, 1 + n % 8, (n * 1.37)::numeric::money, n % 40, n % 10 = 0 FROM generate_series(1, 77) n;
INSERT INTO "Orders" SELECT n, (SELECT min("CustomerID") FROM "Customers" WHERE "CustomerID" >= chr(65 + n % 20)), 1 + n % 9,
  TIMESTAMP '1996-07-04' + n * INTERVAL '7 hours', NULLIF(DATE '1996-08-01' + n, DATE '1996-08-11'), (n * 0.11)::numeric::money, NULL
  FROM generate_series(1, 400) n;
INSERT INTO "Order Details" SELECT o, 1 + (o * 7 + p) % 77, (p * 3.25)::numeric::money, p, (p % 4) * 0.05
  FROM generate_series(1, 400) o, generate_series(1, 3) p;
INSERT INTO "Region" VALUES (1, 'Eastern'), (2, 'Western'), (2, 'Western');
INSERT INTO "EmployeeTerritories" SELECT 1 + n % 9, to_char(n * 13, 'FM00000') FROM generate_series(1, 49) n;
CREATE VIEW "Products Above Average Price" AS
  SELECT "ProductName", "UnitPrice" FROM "Products" WHERE "UnitPrice"::numeric > (SELECT avg("UnitPrice"::numeric) FROM "Products");
CREATE VIEW "Order Subtotals" AS SELECT "OrderID", sum("UnitPrice"::numeric * "Quantity" * (1 - "Discount")::numeric)::numeric(14, 4) AS "Subtotal"
  FROM "Order Details" GROUP BY "OrderID";

-- Then:
UPDATE "Products" SET "UnitPrice" = "UnitPrice" * 1.1 WHERE "Discontinued";
UPDATE "Employees" SET "ReportsTo" = 3 WHERE "EmployeeID" > 6;
DELETE FROM "Order Details" WHERE "OrderID" % 50 = 0;
DELETE FROM "Orders" WHERE "OrderID" % 50 = 0;
INSERT INTO "Orders" VALUES (1000, NULL, 1, '9999-12-31 23:59:59.999999', NULL, '-12.50', 'Ærø & ''Søn''');
INSERT INTO "Customers" VALUES ('x', 'Blank  at the end ', ' ', NULL, E'\t');
UPDATE "Region" SET "RegionDescription" = 'Northern' WHERE "RegionID" = 1;
DELETE FROM "EmployeeTerritories" WHERE "EmployeeID" = 3;
UPDATE "Categories" SET "Picture" = NULL WHERE "CategoryID" < 3;
