CREATE TABLE "star"."fact_purchase_orders" (
  "purchase_record_id" INTEGER NOT NULL,
  "purchase_order_id" INTEGER NOT NULL,
  "created_date" DATE NOT NULL,
  "created_time" TIME NOT NULL,
  "last_updated_date" DATE NOT NULL,
  "last_updated_time" TIME NOT NULL,
  "staff_id" INTEGER NOT NULL,
  "counterparty_id" INTEGER NOT NULL,
  "item_code" VARCHAR(32) NOT NULL,
  "item_quantity" INTEGER NOT NULL,
  "item_unit_price" DECIMAL(10,2) NOT NULL,
  "currency_id" INTEGER NOT NULL,
  "agreed_delivery_date" DATE NOT NULL,
  "agreed_payment_date" DATE NOT NULL,
  "agreed_delivery_location_id" INTEGER NOT NULL,
  "_observed_at" TIMESTAMPTZ NOT NULL,
  "_removed" BOOLEAN NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("purchase_record_id")
) COMPOUND SORTKEY ("created_date");

CREATE OR REPLACE VIEW "star"."fact_purchase_orders_current" AS
SELECT "purchase_record_id", "purchase_order_id", "created_date", "created_time", "last_updated_date", "last_updated_time", "staff_id", "counterparty_id", "item_code", "item_quantity", "item_unit_price", "currency_id", "agreed_delivery_date", "agreed_payment_date", "agreed_delivery_location_id", "_observed_at"
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "purchase_order_id" ORDER BY "purchase_record_id" DESC) AS _rank FROM "star"."fact_purchase_orders") AS version
WHERE _rank = 1 AND NOT "_removed";

CREATE OR REPLACE VIEW "star"."fact_purchase_order" AS
SELECT * FROM "star"."fact_purchase_orders";
