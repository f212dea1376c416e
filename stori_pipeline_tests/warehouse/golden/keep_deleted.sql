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
  "_deleted" BOOLEAN NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("transaction_no")
) DISTSTYLE KEY DISTKEY ("account_no") COMPOUND SORTKEY ("txn_date");

LOCK "bank"."transactions";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_transactions" (
  "transaction_no" BIGINT,
  "account_no" VARCHAR(32),
  "txn_date" DATE,
  "transaction_details" VARCHAR(1024),
  "chip_used" BOOLEAN,
  "value_date" DATE,
  "withdrawal_amt" DECIMAL(18,2),
  "deposit_amt" DECIMAL(18,2),
  "balance_amt" DECIMAL(18,2),
  "updated_at" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
) DISTSTYLE KEY DISTKEY ("account_no");

COPY "stage_transactions" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "bank"."transactions" WHERE NOT EXISTS (SELECT 1 FROM "stage_transactions" AS new WHERE "transactions"."transaction_no" = new."transaction_no");

DELETE FROM "bank"."transactions";

SELECT COUNT(*) FROM "stage_transactions" WHERE "_deleted";

UPDATE "bank"."transactions" SET "_deleted" = TRUE, "_loaded_at" = GETDATE() WHERE NOT "_deleted" AND EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "transaction_no" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_transactions") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "transactions"."transaction_no" = winner."transaction_no");

DELETE FROM "bank"."transactions" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "transaction_no" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_transactions") AS winner WHERE winner._rank = 1 AND NOT winner._deleted AND "transactions"."transaction_no" = winner."transaction_no");

INSERT INTO "bank"."transactions" ("transaction_no", "account_no", "txn_date", "transaction_details", "chip_used", "value_date", "withdrawal_amt", "deposit_amt", "balance_amt", "updated_at", "_deleted", "_batch", "_loaded_at") SELECT "transaction_no", "account_no", "txn_date", "transaction_details", "chip_used", "value_date", "withdrawal_amt", "deposit_amt", "balance_amt", "updated_at", FALSE, "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "transaction_no" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_transactions") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("transaction_no"), MAX("transaction_no") FROM (SELECT * FROM "bank"."transactions" WHERE NOT "_deleted") AS live;

SELECT ("transaction_no" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("transaction_no" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("account_no"), '~') || '|' || COALESCE(TO_CHAR("txn_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("transaction_details"), '~') || '|' || CASE WHEN "chip_used" THEN 't' WHEN NOT "chip_used" THEN 'f' ELSE '~' END || '|' || COALESCE(TO_CHAR("value_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(CAST(CAST("withdrawal_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("deposit_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("balance_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(TO_CHAR("updated_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM (SELECT * FROM "bank"."transactions" WHERE NOT "_deleted") AS live WHERE "transaction_no" >= 0 AND "transaction_no" < 1000 GROUP BY 1;

SELECT ("transaction_no" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("transaction_no" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM (SELECT * FROM "bank"."transactions" WHERE NOT "_deleted") AS live WHERE "transaction_no" >= 0 AND "transaction_no" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("transaction_no" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("transaction_no" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("account_no"), '~') || '|' || COALESCE(TO_CHAR("txn_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("transaction_details"), '~') || '|' || CASE WHEN "chip_used" THEN 't' WHEN NOT "chip_used" THEN 'f' ELSE '~' END || '|' || COALESCE(TO_CHAR("value_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(CAST(CAST("withdrawal_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("deposit_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("balance_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(TO_CHAR("updated_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM (SELECT * FROM "bank"."transactions" WHERE NOT "_deleted") AS live WHERE ("transaction_no" >= 0 AND "transaction_no" < 10) GROUP BY 1;
