LOCK "totesys"."counterparty";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_counterparty" (
  "counterparty_id" INTEGER,
  "counterparty_legal_name" VARCHAR(256),
  "legal_address_id" INTEGER,
  "commercial_contact" VARCHAR(256),
  "delivery_contact" VARCHAR(256),
  "created_at" TIMESTAMPTZ,
  "last_updated" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_counterparty" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."counterparty" WHERE NOT EXISTS (SELECT 1 FROM "stage_counterparty" AS new WHERE "counterparty"."counterparty_id" = new."counterparty_id");

DELETE FROM "totesys"."counterparty";

SELECT COUNT(*) FROM "stage_counterparty" WHERE "_deleted";

DELETE FROM "totesys"."counterparty" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "counterparty_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_counterparty") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "counterparty"."counterparty_id" = winner."counterparty_id");

DELETE FROM "totesys"."counterparty" USING "stage_counterparty" WHERE "counterparty"."counterparty_id" = "stage_counterparty"."counterparty_id";

INSERT INTO "totesys"."counterparty" ("counterparty_id", "counterparty_legal_name", "legal_address_id", "commercial_contact", "delivery_contact", "created_at", "last_updated", "_batch", "_loaded_at") SELECT "counterparty_id", "counterparty_legal_name", "legal_address_id", "commercial_contact", "delivery_contact", "created_at", "last_updated", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "counterparty_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_counterparty") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("counterparty_id"), MAX("counterparty_id") FROM "totesys"."counterparty";

SELECT ("counterparty_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("counterparty_legal_name"), '~') || '|' || COALESCE(CAST("legal_address_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("commercial_contact"), '~') || '|' || COALESCE(MD5("delivery_contact"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."counterparty" WHERE "counterparty_id" >= 0 AND "counterparty_id" < 1000 GROUP BY 1;

SELECT ("counterparty_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."counterparty" WHERE "counterparty_id" >= 0 AND "counterparty_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("counterparty_legal_name"), '~') || '|' || COALESCE(CAST("legal_address_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("commercial_contact"), '~') || '|' || COALESCE(MD5("delivery_contact"), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."counterparty" WHERE ("counterparty_id" >= 0 AND "counterparty_id" < 10) GROUP BY 1;
