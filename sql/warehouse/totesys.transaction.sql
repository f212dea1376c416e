CREATE TABLE "totesys"."transaction" (
  "transaction_id" INTEGER NOT NULL,
  "transaction_type" VARCHAR(32) NOT NULL,
  "sales_order_id" INTEGER,
  "purchase_order_id" INTEGER,
  "created_at" TIMESTAMPTZ NOT NULL,
  "last_updated" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("transaction_id")
);
