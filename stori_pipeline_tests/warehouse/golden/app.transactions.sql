LOCK "app"."transactions";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_transactions" (
  "id" INTEGER,
  "user_id" INTEGER,
  "amount" DECIMAL(10,2),
  "transaction_type" VARCHAR(256),
  "created_at" TIMESTAMPTZ,
  "updated_at" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_transactions" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "app"."transactions" WHERE NOT EXISTS (SELECT 1 FROM "stage_transactions" AS new WHERE "transactions"."id" = new."id");

DELETE FROM "app"."transactions";

SELECT COUNT(*) FROM "stage_transactions" WHERE "_deleted";

DELETE FROM "app"."transactions" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_transactions") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "transactions"."id" = winner."id");

DELETE FROM "app"."transactions" USING "stage_transactions" WHERE "transactions"."id" = "stage_transactions"."id";

INSERT INTO "app"."transactions" ("id", "user_id", "amount", "transaction_type", "created_at", "updated_at", "_batch", "_loaded_at") SELECT "id", "user_id", "amount", "transaction_type", "created_at", "updated_at", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_transactions") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("id"), MAX("id") FROM "app"."transactions";

SELECT ("id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("user_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("amount" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(MD5("transaction_type"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("updated_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "app"."transactions" WHERE "id" >= 0 AND "id" < 1000 GROUP BY 1;

SELECT ("id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "app"."transactions" WHERE "id" >= 0 AND "id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("user_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("amount" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(MD5("transaction_type"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("updated_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "app"."transactions" WHERE ("id" >= 0 AND "id" < 10) GROUP BY 1;
