CREATE TABLE "bank"."transactions" (
  "transaction_no" BIGINT NOT NULL,
  "account_no" VARCHAR(32) NOT NULL,
  "txn_date" DATE NOT NULL,
  "transaction_details" VARCHAR(1024),
  "chip_used" BOOLEAN NOT NULL,
  "value_date" DATE NOT NULL,
  "withdrawal_amt" DECIMAL(18,2),
  "deposit_amt" DECIMAL(18,2),
  "balance_amt" DECIMAL(18,2) NOT NULL,
  "updated_at" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("transaction_no")
) DISTSTYLE KEY DISTKEY ("account_no") COMPOUND SORTKEY ("txn_date");
