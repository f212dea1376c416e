LOCK "drops"."merchants";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_merchants" (
  "merchant_id" VARCHAR(16),
  "merchant_name" VARCHAR(256),
  "category_code" VARCHAR(4),
  "country" VARCHAR(2),
  "city" VARCHAR(128),
  "active" BOOLEAN,
  "opened_on" DATE,
  "tags" VARBYTE(16777216),
  "file" VARCHAR(1024),
  "dropped_at" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_merchants" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "drops"."merchants" WHERE NOT EXISTS (SELECT 1 FROM "stage_merchants" AS new WHERE "merchants"."merchant_id" = new."merchant_id");

DELETE FROM "drops"."merchants";

SELECT COUNT(*) FROM "stage_merchants" WHERE "_deleted";

DELETE FROM "drops"."merchants" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "merchant_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_merchants") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "merchants"."merchant_id" = winner."merchant_id");

DELETE FROM "drops"."merchants" USING "stage_merchants" WHERE "merchants"."merchant_id" = "stage_merchants"."merchant_id";

INSERT INTO "drops"."merchants" ("merchant_id", "merchant_name", "category_code", "country", "city", "active", "opened_on", "tags", "file", "dropped_at", "_batch", "_loaded_at") SELECT "merchant_id", "merchant_name", "category_code", "country", "city", "active", "opened_on", JSON_PARSE("tags"), "file", "dropped_at", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "merchant_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_merchants") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), 0, 1152921504606846975 FROM "drops"."merchants";

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("merchant_name"), '~') || '|' || COALESCE(MD5("category_code"), '~') || '|' || COALESCE(MD5("country"), '~') || '|' || COALESCE(MD5("city"), '~') || '|' || CASE WHEN "active" THEN 't' WHEN NOT "active" THEN 'f' ELSE '~' END || '|' || COALESCE(TO_CHAR("opened_on", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5(NULLIF(REGEXP_REPLACE(JSON_SERIALIZE("tags"), '[[:space:]]', ''), 'null')), '~') || '|' || COALESCE(MD5("file"), '~') || '|' || COALESCE(TO_CHAR("dropped_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "drops"."merchants" WHERE STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "drops"."merchants" WHERE STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT "merchant_id", SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("merchant_name"), '~') || '|' || COALESCE(MD5("category_code"), '~') || '|' || COALESCE(MD5("country"), '~') || '|' || COALESCE(MD5("city"), '~') || '|' || CASE WHEN "active" THEN 't' WHEN NOT "active" THEN 'f' ELSE '~' END || '|' || COALESCE(TO_CHAR("opened_on", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5(NULLIF(REGEXP_REPLACE(JSON_SERIALIZE("tags"), '[[:space:]]', ''), 'null')), '~') || '|' || COALESCE(MD5("file"), '~') || '|' || COALESCE(TO_CHAR("dropped_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "drops"."merchants" WHERE (STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("merchant_id"), '~')), 1, 15), 16) < 10) GROUP BY 1;
