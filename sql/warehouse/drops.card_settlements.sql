CREATE TABLE "drops"."card_settlements" (
  "settlement_date" DATE NOT NULL,
  "merchant_id" VARCHAR(16) NOT NULL,
  "scheme" VARCHAR(16) NOT NULL,
  "currency" VARCHAR(3) NOT NULL,
  "transactions" INTEGER NOT NULL,
  "gross_amount" DECIMAL(18,2) NOT NULL,
  "fee_amount" DECIMAL(18,2) NOT NULL,
  "net_amount" DECIMAL(18,2) NOT NULL,
  "reference" VARCHAR(64),
  "file" VARCHAR(1024) NOT NULL,
  "dropped_at" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("settlement_date", "merchant_id", "scheme", "currency")
) COMPOUND SORTKEY ("settlement_date");
