LOCK "totesys"."transaction";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_transaction" (
  "transaction_id" INTEGER,
  "transaction_type" VARCHAR(32),
  "sales_order_id" INTEGER,
  "purchase_order_id" INTEGER,
  "created_at" TIMESTAMPTZ,
  "last_updated" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_transaction" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."transaction" WHERE NOT EXISTS (SELECT 1 FROM "stage_transaction" AS new WHERE "transaction"."transaction_id" = new."transaction_id");

DELETE FROM "totesys"."transaction";

SELECT COUNT(*) FROM "stage_transaction" WHERE "_deleted";

DELETE FROM "totesys"."transaction" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "transaction_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_transaction") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "transaction"."transaction_id" = winner."transaction_id");

DELETE FROM "totesys"."transaction" USING "stage_transaction" WHERE "transaction"."transaction_id" = "stage_transaction"."transaction_id";

INSERT INTO "totesys"."transaction" ("transaction_id", "transaction_type", "sales_order_id", "purchase_order_id", "created_at", "last_updated", "_batch", "_loaded_at") SELECT "transaction_id", "transaction_type", "sales_order_id", "purchase_order_id", "created_at", "last_updated", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "transaction_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_transaction") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("transaction_id"), MAX("transaction_id") FROM "totesys"."transaction";

SELECT ("transaction_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("transaction_type"), '~') || '|' || COALESCE(CAST("sales_order_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("purchase_order_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."transaction" WHERE "transaction_id" >= 0 AND "transaction_id" < 1000 GROUP BY 1;

SELECT ("transaction_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."transaction" WHERE "transaction_id" >= 0 AND "transaction_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("transaction_type"), '~') || '|' || COALESCE(CAST("sales_order_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("purchase_order_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."transaction" WHERE ("transaction_id" >= 0 AND "transaction_id" < 10) GROUP BY 1;
