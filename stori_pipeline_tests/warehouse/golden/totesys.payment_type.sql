LOCK "totesys"."payment_type";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_payment_type" (
  "payment_type_id" INTEGER,
  "payment_type_name" VARCHAR(32),
  "created_at" TIMESTAMPTZ,
  "last_updated" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_payment_type" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."payment_type" WHERE NOT EXISTS (SELECT 1 FROM "stage_payment_type" AS new WHERE "payment_type"."payment_type_id" = new."payment_type_id");

DELETE FROM "totesys"."payment_type";

SELECT COUNT(*) FROM "stage_payment_type" WHERE "_deleted";

DELETE FROM "totesys"."payment_type" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "payment_type_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_payment_type") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "payment_type"."payment_type_id" = winner."payment_type_id");

DELETE FROM "totesys"."payment_type" USING "stage_payment_type" WHERE "payment_type"."payment_type_id" = "stage_payment_type"."payment_type_id";

INSERT INTO "totesys"."payment_type" ("payment_type_id", "payment_type_name", "created_at", "last_updated", "_batch", "_loaded_at") SELECT "payment_type_id", "payment_type_name", "created_at", "last_updated", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "payment_type_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_payment_type") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("payment_type_id"), MAX("payment_type_id") FROM "totesys"."payment_type";

SELECT ("payment_type_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("payment_type_name"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."payment_type" WHERE "payment_type_id" >= 0 AND "payment_type_id" < 1000 GROUP BY 1;

SELECT ("payment_type_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."payment_type" WHERE "payment_type_id" >= 0 AND "payment_type_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("payment_type_name"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."payment_type" WHERE ("payment_type_id" >= 0 AND "payment_type_id" < 10) GROUP BY 1;
