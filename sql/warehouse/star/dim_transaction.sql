CREATE TABLE "star"."dim_transaction" (
  "transaction_id" INTEGER NOT NULL,
  "transaction_type" VARCHAR(32) NOT NULL,
  "sales_order_id" INTEGER,
  "purchase_order_id" INTEGER,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("transaction_id")
);
