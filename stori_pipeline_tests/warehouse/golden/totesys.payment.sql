LOCK "totesys"."payment";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_payment" (
  "payment_id" INTEGER,
  "created_at" TIMESTAMPTZ,
  "last_updated" TIMESTAMPTZ,
  "transaction_id" INTEGER,
  "counterparty_id" INTEGER,
  "payment_amount" DECIMAL(10,2),
  "currency_id" INTEGER,
  "payment_type_id" INTEGER,
  "paid" BOOLEAN,
  "payment_date" VARCHAR(10),
  "company_ac_number" INTEGER,
  "counterparty_ac_number" INTEGER,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_payment" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."payment" WHERE NOT EXISTS (SELECT 1 FROM "stage_payment" AS new WHERE "payment"."payment_id" = new."payment_id");

DELETE FROM "totesys"."payment";

SELECT COUNT(*) FROM "stage_payment" WHERE "_deleted";

DELETE FROM "totesys"."payment" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "payment_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_payment") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "payment"."payment_id" = winner."payment_id");

DELETE FROM "totesys"."payment" USING "stage_payment" WHERE "payment"."payment_id" = "stage_payment"."payment_id";

INSERT INTO "totesys"."payment" ("payment_id", "created_at", "last_updated", "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "company_ac_number", "counterparty_ac_number", "_batch", "_loaded_at") SELECT "payment_id", "created_at", "last_updated", "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "company_ac_number", "counterparty_ac_number", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "payment_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_payment") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("payment_id"), MAX("payment_id") FROM "totesys"."payment";

SELECT ("payment_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("payment_amount" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~') || '|' || CASE WHEN "paid" THEN 't' WHEN NOT "paid" THEN 'f' ELSE '~' END || '|' || COALESCE(MD5("payment_date"), '~') || '|' || COALESCE(CAST("company_ac_number" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_ac_number" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."payment" WHERE "payment_id" >= 0 AND "payment_id" < 1000 GROUP BY 1;

SELECT ("payment_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."payment" WHERE "payment_id" >= 0 AND "payment_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("payment_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("payment_amount" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~') || '|' || CASE WHEN "paid" THEN 't' WHEN NOT "paid" THEN 'f' ELSE '~' END || '|' || COALESCE(MD5("payment_date"), '~') || '|' || COALESCE(CAST("company_ac_number" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_ac_number" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."payment" WHERE ("payment_id" >= 0 AND "payment_id" < 10) GROUP BY 1;
