LOCK "rates"."daily";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_daily" (
  "rate_date" DATE,
  "base" VARCHAR(3),
  "currency" VARCHAR(3),
  "rate" DECIMAL(18,8),
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_daily" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "rates"."daily" WHERE NOT EXISTS (SELECT 1 FROM "stage_daily" AS new WHERE "daily"."rate_date" = new."rate_date" AND "daily"."base" = new."base" AND "daily"."currency" = new."currency");

DELETE FROM "rates"."daily";

SELECT COUNT(*) FROM "stage_daily" WHERE "_deleted";

DELETE FROM "rates"."daily" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "rate_date", "base", "currency" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_daily") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "daily"."rate_date" = winner."rate_date" AND "daily"."base" = winner."base" AND "daily"."currency" = winner."currency");

DELETE FROM "rates"."daily" USING "stage_daily" WHERE "daily"."rate_date" = "stage_daily"."rate_date" AND "daily"."base" = "stage_daily"."base" AND "daily"."currency" = "stage_daily"."currency";

INSERT INTO "rates"."daily" ("rate_date", "base", "currency", "rate", "_batch", "_loaded_at") SELECT "rate_date", "base", "currency", "rate", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "rate_date", "base", "currency" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_daily") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), 0, 1152921504606846975 FROM "rates"."daily";

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~') || '|' || COALESCE(CAST(CAST("rate" AS DECIMAL(18,8)) AS VARCHAR(42)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "rates"."daily" WHERE STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "rates"."daily" WHERE STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~'), "base", "currency", SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~') || '|' || COALESCE(CAST(CAST("rate" AS DECIMAL(18,8)) AS VARCHAR(42)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "rates"."daily" WHERE (STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("rate_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("base"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) < 10) GROUP BY 1, 2, 3;
