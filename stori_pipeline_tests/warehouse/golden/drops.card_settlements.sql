LOCK "drops"."card_settlements";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_card_settlements" (
  "settlement_date" DATE,
  "merchant_id" VARCHAR(16),
  "scheme" VARCHAR(16),
  "currency" VARCHAR(3),
  "transactions" INTEGER,
  "gross_amount" DECIMAL(18,2),
  "fee_amount" DECIMAL(18,2),
  "net_amount" DECIMAL(18,2),
  "reference" VARCHAR(64),
  "file" VARCHAR(1024),
  "dropped_at" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_card_settlements" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "drops"."card_settlements" WHERE NOT EXISTS (SELECT 1 FROM "stage_card_settlements" AS new WHERE "card_settlements"."settlement_date" = new."settlement_date" AND "card_settlements"."merchant_id" = new."merchant_id" AND "card_settlements"."scheme" = new."scheme" AND "card_settlements"."currency" = new."currency");

DELETE FROM "drops"."card_settlements";

SELECT COUNT(*) FROM "stage_card_settlements" WHERE "_deleted";

DELETE FROM "drops"."card_settlements" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "settlement_date", "merchant_id", "scheme", "currency" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_card_settlements") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "card_settlements"."settlement_date" = winner."settlement_date" AND "card_settlements"."merchant_id" = winner."merchant_id" AND "card_settlements"."scheme" = winner."scheme" AND "card_settlements"."currency" = winner."currency");

DELETE FROM "drops"."card_settlements" USING "stage_card_settlements" WHERE "card_settlements"."settlement_date" = "stage_card_settlements"."settlement_date" AND "card_settlements"."merchant_id" = "stage_card_settlements"."merchant_id" AND "card_settlements"."scheme" = "stage_card_settlements"."scheme" AND "card_settlements"."currency" = "stage_card_settlements"."currency";

INSERT INTO "drops"."card_settlements" ("settlement_date", "merchant_id", "scheme", "currency", "transactions", "gross_amount", "fee_amount", "net_amount", "reference", "file", "dropped_at", "_batch", "_loaded_at") SELECT "settlement_date", "merchant_id", "scheme", "currency", "transactions", "gross_amount", "fee_amount", "net_amount", "reference", "file", "dropped_at", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "settlement_date", "merchant_id", "scheme", "currency" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_card_settlements") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), 0, 1152921504606846975 FROM "drops"."card_settlements";

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~') || '|' || COALESCE(CAST("transactions" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("gross_amount" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("fee_amount" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("net_amount" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(MD5("reference"), '~') || '|' || COALESCE(MD5("file"), '~') || '|' || COALESCE(TO_CHAR("dropped_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "drops"."card_settlements" WHERE STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "drops"."card_settlements" WHERE STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~'), "merchant_id", "scheme", "currency", SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~') || '|' || COALESCE(CAST("transactions" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("gross_amount" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("fee_amount" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("net_amount" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(MD5("reference"), '~') || '|' || COALESCE(MD5("file"), '~') || '|' || COALESCE(TO_CHAR("dropped_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "drops"."card_settlements" WHERE (STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(TO_CHAR("settlement_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("merchant_id"), '~') || '|' || COALESCE(MD5("scheme"), '~') || '|' || COALESCE(MD5("currency"), '~')), 1, 15), 16) < 10) GROUP BY 1, 2, 3, 4;
