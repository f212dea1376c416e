LOCK "app"."users";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_users" (
  "id" INTEGER,
  "name" VARCHAR(1024),
  "email" VARCHAR(1024),
  "address" VARCHAR(4096),
  "created_at" TIMESTAMPTZ,
  "updated_at" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_users" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "app"."users" WHERE NOT EXISTS (SELECT 1 FROM "stage_users" AS new WHERE "users"."id" = new."id");

DELETE FROM "app"."users";

SELECT COUNT(*) FROM "stage_users" WHERE "_deleted";

DELETE FROM "app"."users" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_users") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "users"."id" = winner."id");

DELETE FROM "app"."users" USING "stage_users" WHERE "users"."id" = "stage_users"."id";

INSERT INTO "app"."users" ("id", "name", "email", "address", "created_at", "updated_at", "_batch", "_loaded_at") SELECT "id", "name", "email", "address", "created_at", "updated_at", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_users") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("id"), MAX("id") FROM "app"."users";

SELECT ("id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("name"), '~') || '|' || COALESCE(MD5("email"), '~') || '|' || COALESCE(MD5("address"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("updated_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "app"."users" WHERE "id" >= 0 AND "id" < 1000 GROUP BY 1;

SELECT ("id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "app"."users" WHERE "id" >= 0 AND "id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("name"), '~') || '|' || COALESCE(MD5("email"), '~') || '|' || COALESCE(MD5("address"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("updated_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "app"."users" WHERE ("id" >= 0 AND "id" < 10) GROUP BY 1;
