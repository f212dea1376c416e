LOCK "exchange"."trades";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_trades" (
  "id" VARCHAR(24),
  "ticker" VARCHAR(16),
  "ticket" VARCHAR(16),
  "price" DECIMAL(18,6),
  "shares" INTEGER,
  "system" VARCHAR(16),
  "lag" INTEGER,
  "asks" VARBYTE(16777216),
  "bids" VARBYTE(16777216),
  "traded_at" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
) DISTSTYLE KEY DISTKEY ("id");

COPY "stage_trades" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "exchange"."trades" WHERE NOT EXISTS (SELECT 1 FROM "stage_trades" AS new WHERE "trades"."id" = new."id");

DELETE FROM "exchange"."trades";

SELECT COUNT(*) FROM "stage_trades" WHERE "_deleted";

DELETE FROM "exchange"."trades" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_trades") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "trades"."id" = winner."id");

DELETE FROM "exchange"."trades" USING "stage_trades" WHERE "trades"."id" = "stage_trades"."id";

INSERT INTO "exchange"."trades" ("id", "ticker", "ticket", "price", "shares", "system", "lag", "asks", "bids", "traded_at", "_batch", "_loaded_at") SELECT "id", "ticker", "ticket", "price", "shares", "system", "lag", JSON_PARSE("asks"), JSON_PARSE("bids"), "traded_at", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_trades") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), 0, 1152921504606846975 FROM "exchange"."trades";

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~') || '|' || COALESCE(MD5("ticker"), '~') || '|' || COALESCE(MD5("ticket"), '~') || '|' || COALESCE(CAST(CAST("price" AS DECIMAL(18,6)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("shares" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("system"), '~') || '|' || COALESCE(CAST("lag" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5(NULLIF(REGEXP_REPLACE(JSON_SERIALIZE("asks"), '[[:space:]]', ''), 'null')), '~') || '|' || COALESCE(MD5(NULLIF(REGEXP_REPLACE(JSON_SERIALIZE("bids"), '[[:space:]]', ''), 'null')), '~') || '|' || COALESCE(TO_CHAR("traded_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "exchange"."trades" WHERE STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "exchange"."trades" WHERE STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT "id", SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~') || '|' || COALESCE(MD5("ticker"), '~') || '|' || COALESCE(MD5("ticket"), '~') || '|' || COALESCE(CAST(CAST("price" AS DECIMAL(18,6)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("shares" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("system"), '~') || '|' || COALESCE(CAST("lag" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5(NULLIF(REGEXP_REPLACE(JSON_SERIALIZE("asks"), '[[:space:]]', ''), 'null')), '~') || '|' || COALESCE(MD5(NULLIF(REGEXP_REPLACE(JSON_SERIALIZE("bids"), '[[:space:]]', ''), 'null')), '~') || '|' || COALESCE(TO_CHAR("traded_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "exchange"."trades" WHERE (STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) < 10) GROUP BY 1;
