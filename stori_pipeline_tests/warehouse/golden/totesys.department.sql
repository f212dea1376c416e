LOCK "totesys"."department";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_department" (
  "department_id" INTEGER,
  "department_name" VARCHAR(128),
  "location" VARCHAR(128),
  "manager" VARCHAR(256),
  "created_at" TIMESTAMPTZ,
  "last_updated" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_department" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."department" WHERE NOT EXISTS (SELECT 1 FROM "stage_department" AS new WHERE "department"."department_id" = new."department_id");

DELETE FROM "totesys"."department";

SELECT COUNT(*) FROM "stage_department" WHERE "_deleted";

DELETE FROM "totesys"."department" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "department_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_department") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "department"."department_id" = winner."department_id");

DELETE FROM "totesys"."department" USING "stage_department" WHERE "department"."department_id" = "stage_department"."department_id";

INSERT INTO "totesys"."department" ("department_id", "department_name", "location", "manager", "created_at", "last_updated", "_batch", "_loaded_at") SELECT "department_id", "department_name", "location", "manager", "created_at", "last_updated", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "department_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_department") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("department_id"), MAX("department_id") FROM "totesys"."department";

SELECT ("department_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("department_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("department_name"), '~') || '|' || COALESCE(MD5("location"), '~') || '|' || COALESCE(MD5("manager"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."department" WHERE "department_id" >= 0 AND "department_id" < 1000 GROUP BY 1;

SELECT ("department_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("department_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."department" WHERE "department_id" >= 0 AND "department_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("department_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("department_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("department_name"), '~') || '|' || COALESCE(MD5("location"), '~') || '|' || COALESCE(MD5("manager"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."department" WHERE ("department_id" >= 0 AND "department_id" < 10) GROUP BY 1;
