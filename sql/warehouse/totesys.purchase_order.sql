CREATE TABLE "totesys"."purchase_order" (
  "purchase_order_id" INTEGER NOT NULL,
  "created_at" TIMESTAMPTZ NOT NULL,
  "last_updated" TIMESTAMPTZ NOT NULL,
  "staff_id" INTEGER NOT NULL,
  "counterparty_id" INTEGER NOT NULL,
  "item_code" VARCHAR(32) NOT NULL,
  "item_quantity" INTEGER NOT NULL,
  "item_unit_price" DECIMAL(10,2) NOT NULL,
  "currency_id" INTEGER NOT NULL,
  "agreed_delivery_date" VARCHAR(10) NOT NULL,
  "agreed_payment_date" VARCHAR(10) NOT NULL,
  "agreed_delivery_location_id" INTEGER NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("purchase_order_id")
) COMPOUND SORTKEY ("created_at");
