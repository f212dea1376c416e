LOCK "totesys"."currency";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_currency" (
  "currency_id" INTEGER,
  "currency_code" VARCHAR(12),
  "created_at" TIMESTAMPTZ,
  "last_updated" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_currency" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."currency" WHERE NOT EXISTS (SELECT 1 FROM "stage_currency" AS new WHERE "currency"."currency_id" = new."currency_id");

DELETE FROM "totesys"."currency";

SELECT COUNT(*) FROM "stage_currency" WHERE "_deleted";

DELETE FROM "totesys"."currency" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "currency_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_currency") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "currency"."currency_id" = winner."currency_id");

DELETE FROM "totesys"."currency" USING "stage_currency" WHERE "currency"."currency_id" = "stage_currency"."currency_id";

INSERT INTO "totesys"."currency" ("currency_id", "currency_code", "created_at", "last_updated", "_batch", "_loaded_at") SELECT "currency_id", "currency_code", "created_at", "last_updated", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "currency_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_currency") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("currency_id"), MAX("currency_id") FROM "totesys"."currency";

SELECT ("currency_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("currency_code"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."currency" WHERE "currency_id" >= 0 AND "currency_id" < 1000 GROUP BY 1;

SELECT ("currency_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("currency_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."currency" WHERE "currency_id" >= 0 AND "currency_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("currency_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("currency_code"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."currency" WHERE ("currency_id" >= 0 AND "currency_id" < 10) GROUP BY 1;
