LOCK "totesys"."address";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_address" (
  "address_id" INTEGER,
  "address_line_1" VARCHAR(256),
  "address_line_2" VARCHAR(256),
  "district" VARCHAR(128),
  "city" VARCHAR(128),
  "postal_code" VARCHAR(32),
  "country" VARCHAR(128),
  "phone" VARCHAR(32),
  "created_at" TIMESTAMPTZ,
  "last_updated" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_address" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."address" WHERE NOT EXISTS (SELECT 1 FROM "stage_address" AS new WHERE "address"."address_id" = new."address_id");

DELETE FROM "totesys"."address";

SELECT COUNT(*) FROM "stage_address" WHERE "_deleted";

DELETE FROM "totesys"."address" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "address_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_address") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "address"."address_id" = winner."address_id");

DELETE FROM "totesys"."address" USING "stage_address" WHERE "address"."address_id" = "stage_address"."address_id";

INSERT INTO "totesys"."address" ("address_id", "address_line_1", "address_line_2", "district", "city", "postal_code", "country", "phone", "created_at", "last_updated", "_batch", "_loaded_at") SELECT "address_id", "address_line_1", "address_line_2", "district", "city", "postal_code", "country", "phone", "created_at", "last_updated", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "address_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_address") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("address_id"), MAX("address_id") FROM "totesys"."address";

SELECT ("address_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("address_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("address_line_1"), '~') || '|' || COALESCE(MD5("address_line_2"), '~') || '|' || COALESCE(MD5("district"), '~') || '|' || COALESCE(MD5("city"), '~') || '|' || COALESCE(MD5("postal_code"), '~') || '|' || COALESCE(MD5("country"), '~') || '|' || COALESCE(MD5("phone"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."address" WHERE "address_id" >= 0 AND "address_id" < 1000 GROUP BY 1;

SELECT ("address_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("address_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."address" WHERE "address_id" >= 0 AND "address_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("address_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("address_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("address_line_1"), '~') || '|' || COALESCE(MD5("address_line_2"), '~') || '|' || COALESCE(MD5("district"), '~') || '|' || COALESCE(MD5("city"), '~') || '|' || COALESCE(MD5("postal_code"), '~') || '|' || COALESCE(MD5("country"), '~') || '|' || COALESCE(MD5("phone"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."address" WHERE ("address_id" >= 0 AND "address_id" < 10) GROUP BY 1;
