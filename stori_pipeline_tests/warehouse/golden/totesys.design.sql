LOCK "totesys"."design";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_design" (
  "design_id" INTEGER,
  "created_at" TIMESTAMPTZ,
  "design_name" VARCHAR(128),
  "file_location" VARCHAR(512),
  "file_name" VARCHAR(256),
  "last_updated" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_design" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."design" WHERE NOT EXISTS (SELECT 1 FROM "stage_design" AS new WHERE "design"."design_id" = new."design_id");

DELETE FROM "totesys"."design";

SELECT COUNT(*) FROM "stage_design" WHERE "_deleted";

DELETE FROM "totesys"."design" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "design_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_design") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "design"."design_id" = winner."design_id");

DELETE FROM "totesys"."design" USING "stage_design" WHERE "design"."design_id" = "stage_design"."design_id";

INSERT INTO "totesys"."design" ("design_id", "created_at", "design_name", "file_location", "file_name", "last_updated", "_batch", "_loaded_at") SELECT "design_id", "created_at", "design_name", "file_location", "file_name", "last_updated", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "design_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_design") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("design_id"), MAX("design_id") FROM "totesys"."design";

SELECT ("design_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("design_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(MD5("design_name"), '~') || '|' || COALESCE(MD5("file_location"), '~') || '|' || COALESCE(MD5("file_name"), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."design" WHERE "design_id" >= 0 AND "design_id" < 1000 GROUP BY 1;

SELECT ("design_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("design_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."design" WHERE "design_id" >= 0 AND "design_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("design_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("design_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(MD5("design_name"), '~') || '|' || COALESCE(MD5("file_location"), '~') || '|' || COALESCE(MD5("file_name"), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."design" WHERE ("design_id" >= 0 AND "design_id" < 10) GROUP BY 1;
