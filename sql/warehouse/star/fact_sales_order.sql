CREATE TABLE "star"."fact_sales_order" (
  "sales_record_id" INTEGER NOT NULL,
  "sales_order_id" INTEGER NOT NULL,
  "created_date" DATE NOT NULL,
  "created_time" TIME NOT NULL,
  "last_updated_date" DATE NOT NULL,
  "last_updated_time" TIME NOT NULL,
  "sales_staff_id" INTEGER NOT NULL,
  "counterparty_id" INTEGER NOT NULL,
  "units_sold" INTEGER NOT NULL,
  "unit_price" DECIMAL(10,2) NOT NULL,
  "currency_id" INTEGER NOT NULL,
  "design_id" INTEGER NOT NULL,
  "agreed_payment_date" DATE NOT NULL,
  "agreed_delivery_date" DATE NOT NULL,
  "agreed_delivery_location_id" INTEGER NOT NULL,
  "_observed_at" TIMESTAMPTZ NOT NULL,
  "_removed" BOOLEAN NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("sales_record_id")
) COMPOUND SORTKEY ("created_date");

CREATE OR REPLACE VIEW "star"."fact_sales_order_current" AS
SELECT "sales_record_id", "sales_order_id", "created_date", "created_time", "last_updated_date", "last_updated_time", "sales_staff_id", "counterparty_id", "units_sold", "unit_price", "currency_id", "design_id", "agreed_payment_date", "agreed_delivery_date", "agreed_delivery_location_id", "_observed_at"
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "sales_order_id" ORDER BY "sales_record_id" DESC) AS _rank FROM "star"."fact_sales_order") AS version
WHERE _rank = 1 AND NOT "_removed";
