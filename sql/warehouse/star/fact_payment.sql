CREATE TABLE "star"."fact_payment" (
  "payment_record_id" INTEGER NOT NULL,
  "payment_id" INTEGER NOT NULL,
  "created_date" DATE NOT NULL,
  "created_time" TIME NOT NULL,
  "last_updated_date" DATE NOT NULL,
  "last_updated_time" TIME NOT NULL,
  "transaction_id" INTEGER NOT NULL,
  "counterparty_id" INTEGER NOT NULL,
  "payment_amount" DECIMAL(10,2) NOT NULL,
  "currency_id" INTEGER NOT NULL,
  "payment_type_id" INTEGER NOT NULL,
  "paid" BOOLEAN NOT NULL,
  "payment_date" DATE NOT NULL,
  "_observed_at" TIMESTAMPTZ NOT NULL,
  "_removed" BOOLEAN NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("payment_record_id")
) COMPOUND SORTKEY ("created_date");

CREATE OR REPLACE VIEW "star"."fact_payment_current" AS
SELECT "payment_record_id", "payment_id", "created_date", "created_time", "last_updated_date", "last_updated_time", "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at"
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "payment_id" ORDER BY "payment_record_id" DESC) AS _rank FROM "star"."fact_payment") AS version
WHERE _rank = 1 AND NOT "_removed";
