CREATE TABLE "totesys"."payment" (
  "payment_id" INTEGER NOT NULL,
  "created_at" TIMESTAMPTZ NOT NULL,
  "last_updated" TIMESTAMPTZ NOT NULL,
  "transaction_id" INTEGER NOT NULL,
  "counterparty_id" INTEGER NOT NULL,
  "payment_amount" DECIMAL(10,2) NOT NULL,
  "currency_id" INTEGER NOT NULL,
  "payment_type_id" INTEGER NOT NULL,
  "paid" BOOLEAN NOT NULL,
  "payment_date" VARCHAR(10) NOT NULL,
  "company_ac_number" INTEGER NOT NULL,
  "counterparty_ac_number" INTEGER NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("payment_id")
) COMPOUND SORTKEY ("created_at");
