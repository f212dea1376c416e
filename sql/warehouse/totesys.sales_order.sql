CREATE TABLE "totesys"."sales_order" (
  "sales_order_id" INTEGER NOT NULL,
  "created_at" TIMESTAMPTZ NOT NULL,
  "last_updated" TIMESTAMPTZ NOT NULL,
  "design_id" INTEGER NOT NULL,
  "staff_id" INTEGER NOT NULL,
  "counterparty_id" INTEGER NOT NULL,
  "units_sold" INTEGER NOT NULL,
  "unit_price" DECIMAL(10,2) NOT NULL,
  "currency_id" INTEGER NOT NULL,
  "agreed_delivery_date" VARCHAR(10) NOT NULL,
  "agreed_payment_date" VARCHAR(10) NOT NULL,
  "agreed_delivery_location_id" INTEGER NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("sales_order_id")
) COMPOUND SORTKEY ("created_at");
