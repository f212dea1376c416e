DROP TABLE "star"."fact_payment" CASCADE;

LOCK "star"."fact_payment";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_fact_payment" (
  "payment_record_id" INTEGER,
  "payment_id" INTEGER,
  "created_date" DATE,
  "created_time" VARCHAR(15),
  "last_updated_date" DATE,
  "last_updated_time" VARCHAR(15),
  "transaction_id" INTEGER,
  "counterparty_id" INTEGER,
  "payment_amount" DECIMAL(10,2),
  "currency_id" INTEGER,
  "payment_type_id" INTEGER,
  "paid" BOOLEAN,
  "payment_date" DATE,
  "_observed_at" TIMESTAMPTZ,
  "_removed" BOOLEAN,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_fact_payment" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "star"."fact_payment" WHERE NOT EXISTS (SELECT 1 FROM "stage_fact_payment" AS new WHERE "fact_payment"."payment_record_id" = new."payment_record_id");

DELETE FROM "star"."fact_payment";

SELECT COUNT(*) FROM "stage_fact_payment" WHERE "_deleted";

DELETE FROM "star"."fact_payment" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "payment_record_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_fact_payment") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "fact_payment"."payment_record_id" = winner."payment_record_id");

DELETE FROM "star"."fact_payment" USING "stage_fact_payment" WHERE "fact_payment"."payment_record_id" = "stage_fact_payment"."payment_record_id";

INSERT INTO "star"."fact_payment" ("payment_record_id", "payment_id", "created_date", "created_time", "last_updated_date", "last_updated_time", "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at", "_removed", "_batch", "_loaded_at") SELECT "payment_record_id", "payment_id", "created_date", CAST("created_time" AS TIME), "last_updated_date", CAST("last_updated_time" AS TIME), "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at", "_removed", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "payment_record_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_fact_payment") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("payment_record_id"), MAX("payment_record_id") FROM "star"."fact_payment";

SELECT ("payment_record_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_record_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "created_time", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "last_updated_time", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("payment_amount" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~') || '|' || CASE WHEN "paid" THEN 't' WHEN NOT "paid" THEN 'f' ELSE '~' END || '|' || COALESCE(TO_CHAR("payment_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR("_observed_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || CASE WHEN "_removed" THEN 't' WHEN NOT "_removed" THEN 'f' ELSE '~' END), 1, 15), 16) AS DECIMAL(38,0))) FROM "star"."fact_payment" WHERE "payment_record_id" >= 0 AND "payment_record_id" < 1000 GROUP BY 1;

SELECT ("payment_record_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_record_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "star"."fact_payment" WHERE "payment_record_id" >= 0 AND "payment_record_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("payment_record_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_record_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "created_time", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "last_updated_time", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("payment_amount" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~') || '|' || CASE WHEN "paid" THEN 't' WHEN NOT "paid" THEN 'f' ELSE '~' END || '|' || COALESCE(TO_CHAR("payment_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR("_observed_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || CASE WHEN "_removed" THEN 't' WHEN NOT "_removed" THEN 'f' ELSE '~' END), 1, 15), 16) AS DECIMAL(38,0))) FROM "star"."fact_payment" WHERE ("payment_record_id" >= 0 AND "payment_record_id" < 10) GROUP BY 1;
