LOCK "totesys"."staff";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_staff" (
  "staff_id" INTEGER,
  "first_name" VARCHAR(128),
  "last_name" VARCHAR(128),
  "department_id" INTEGER,
  "email_address" VARCHAR(320),
  "created_at" TIMESTAMPTZ,
  "last_updated" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_staff" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."staff" WHERE NOT EXISTS (SELECT 1 FROM "stage_staff" AS new WHERE "staff"."staff_id" = new."staff_id");

DELETE FROM "totesys"."staff";

SELECT COUNT(*) FROM "stage_staff" WHERE "_deleted";

DELETE FROM "totesys"."staff" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "staff_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_staff") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "staff"."staff_id" = winner."staff_id");

DELETE FROM "totesys"."staff" USING "stage_staff" WHERE "staff"."staff_id" = "stage_staff"."staff_id";

INSERT INTO "totesys"."staff" ("staff_id", "first_name", "last_name", "department_id", "email_address", "created_at", "last_updated", "_batch", "_loaded_at") SELECT "staff_id", "first_name", "last_name", "department_id", "email_address", "created_at", "last_updated", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "staff_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_staff") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("staff_id"), MAX("staff_id") FROM "totesys"."staff";

SELECT ("staff_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("staff_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("first_name"), '~') || '|' || COALESCE(MD5("last_name"), '~') || '|' || COALESCE(CAST("department_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("email_address"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."staff" WHERE "staff_id" >= 0 AND "staff_id" < 1000 GROUP BY 1;

SELECT ("staff_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("staff_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."staff" WHERE "staff_id" >= 0 AND "staff_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("staff_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("staff_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("first_name"), '~') || '|' || COALESCE(MD5("last_name"), '~') || '|' || COALESCE(CAST("department_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("email_address"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."staff" WHERE ("staff_id" >= 0 AND "staff_id" < 10) GROUP BY 1;
