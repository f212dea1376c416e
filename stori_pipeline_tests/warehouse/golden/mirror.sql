-- the first load, of a snapshot

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'transactions' AND column_name = '_seq';

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'transactions' AND column_name = '_seq';

ROLLBACK;

BEGIN;

CREATE SCHEMA IF NOT EXISTS pipeline;

CREATE TABLE IF NOT EXISTS pipeline.loads (
  target VARCHAR(256) NOT NULL,
  generation BIGINT NOT NULL,
  batch BIGINT NOT NULL,
  fingerprint VARCHAR(64) NOT NULL,
  rows_copied BIGINT NOT NULL,
  rows_inserted BIGINT NOT NULL,
  rows_deleted BIGINT NOT NULL,
  run_id VARCHAR(256) NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ NOT NULL,
  batch_id VARCHAR(64)
) SORTKEY (target, generation, batch);

CREATE SCHEMA IF NOT EXISTS "shop";

COMMIT;

BEGIN;

CREATE TABLE "shop"."transactions" (
  "transaction_no" BIGINT NOT NULL,
  "account_no" VARCHAR(32) NOT NULL,
  "txn_date" DATE NOT NULL,
  "transaction_details" VARCHAR(1024),
  "chip_used" BOOLEAN NOT NULL,
  "value_date" DATE NOT NULL,
  "withdrawal_amt" DECIMAL(18,2),
  "deposit_amt" DECIMAL(18,2),
  "balance_amt" DECIMAL(18,2) NOT NULL,
  "updated_at" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("transaction_no")
) DISTSTYLE KEY DISTKEY ("account_no") COMPOUND SORTKEY ("txn_date");

SELECT GETDATE();

COPY "shop"."transactions" ("transaction_no", "account_no", "txn_date", "transaction_details", "chip_used", "value_date", "withdrawal_amt", "deposit_amt", "balance_amt", "updated_at", "_batch", "_seq", "_deleted") FROM 's3://landing/shop/transactions/_manifests/00000001.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT pg_last_copy_count();

SELECT COUNT(key), COUNT(DISTINCT key) FROM (SELECT "transaction_no" AS key FROM "shop"."transactions" WHERE NOT "_deleted" UNION ALL SELECT MAX("transaction_no") FROM "shop"."transactions" WHERE FALSE) AS keys;

INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (E'shop.transactions', 1, 1, E'id of the batch', E'5e749e527b1a6e9e', 2, 2, 0, E'run', '2026-11-21T00:00:00'::timestamp, GETDATE());

COMMIT;


-- a later load, of changes

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'transactions' AND column_name = '_seq';

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.transactions' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'transactions' AND column_name = '_seq';

ROLLBACK;

SET statement_timeout TO 300000;

BEGIN;

LOCK "shop"."transactions";

SET statement_timeout TO 0;

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.transactions' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

SELECT GETDATE();

CREATE TEMP TABLE "stage_transactions" (
  "transaction_no" BIGINT,
  "account_no" VARCHAR(32),
  "txn_date" DATE,
  "transaction_details" VARCHAR(1024),
  "chip_used" BOOLEAN,
  "value_date" DATE,
  "withdrawal_amt" DECIMAL(18,2),
  "deposit_amt" DECIMAL(18,2),
  "balance_amt" DECIMAL(18,2),
  "updated_at" TIMESTAMPTZ,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
) DISTSTYLE KEY DISTKEY ("account_no");

COPY "stage_transactions" FROM 's3://landing/shop/transactions/_manifests/00000002.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT pg_last_copy_count();

SELECT COUNT(*), COUNT(DISTINCT "transaction_no"), COALESCE(SUM(CASE WHEN "_deleted" THEN 1 ELSE 0 END), 0) FROM "stage_transactions";

DELETE FROM "shop"."transactions" WHERE EXISTS (SELECT 1 FROM (SELECT *, 1 AS _rank FROM "stage_transactions") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "transactions"."transaction_no" = winner."transaction_no");

DELETE FROM "shop"."transactions" USING "stage_transactions" WHERE "transactions"."transaction_no" = "stage_transactions"."transaction_no";

INSERT INTO "shop"."transactions" ("transaction_no", "account_no", "txn_date", "transaction_details", "chip_used", "value_date", "withdrawal_amt", "deposit_amt", "balance_amt", "updated_at", "_batch", "_loaded_at") SELECT "transaction_no", "account_no", "txn_date", "transaction_details", "chip_used", "value_date", "withdrawal_amt", "deposit_amt", "balance_amt", "updated_at", "_batch", GETDATE() FROM (SELECT *, 1 AS _rank FROM "stage_transactions") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (E'shop.transactions', 1, 2, E'id of the batch', E'5e749e527b1a6e9e', 3, 2, 1, E'run', '2026-11-21T00:00:00'::timestamp, GETDATE());

COMMIT;


-- a comparison

BEGIN;

SELECT COUNT(*), MIN("transaction_no"), MAX("transaction_no") FROM "shop"."transactions";

BEGIN;

SELECT (CAST("transaction_no" AS BIGINT) - 1) / 1 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("transaction_no" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("account_no"), '~') || '|' || COALESCE(TO_CHAR("txn_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("transaction_details"), '~') || '|' || COALESCE(CASE WHEN "chip_used" THEN 't' WHEN NOT "chip_used" THEN 'f' END, '~') || '|' || COALESCE(TO_CHAR("value_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(CAST(CAST("withdrawal_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("deposit_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("balance_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(TO_CHAR("updated_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "shop"."transactions" WHERE "transaction_no" >= 1 AND "transaction_no" < 4 GROUP BY 1;

BEGIN;

SELECT (CAST("transaction_no" AS BIGINT) - 1) / 1 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("transaction_no" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "shop"."transactions" WHERE "transaction_no" >= 1 AND "transaction_no" < 4 GROUP BY 1;

BEGIN;

SELECT COALESCE(CAST("transaction_no" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("transaction_no" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("account_no"), '~') || '|' || COALESCE(TO_CHAR("txn_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(MD5("transaction_details"), '~') || '|' || COALESCE(CASE WHEN "chip_used" THEN 't' WHEN NOT "chip_used" THEN 'f' END, '~') || '|' || COALESCE(TO_CHAR("value_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(CAST(CAST("withdrawal_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("deposit_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST(CAST("balance_amt" AS DECIMAL(18,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(TO_CHAR("updated_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "shop"."transactions" WHERE ("transaction_no" >= 1 AND "transaction_no" < 4) GROUP BY 1;


-- a load of a definition that has changed

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'transactions' AND column_name = '_seq';

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.transactions' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'transactions' AND column_name = '_seq';

ROLLBACK;

SET statement_timeout TO 300000;

BEGIN;

LOCK "shop"."transactions";

SET statement_timeout TO 0;

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.transactions' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

SELECT GETDATE();

DROP TABLE "shop"."transactions" CASCADE;

CREATE TABLE "shop"."transactions" (
  "transaction_no" BIGINT NOT NULL,
  "account_no" VARCHAR(32) NOT NULL,
  "txn_date" DATE NOT NULL,
  "transaction_details" VARCHAR(1024),
  "chip_used" BOOLEAN NOT NULL,
  "value_date" DATE NOT NULL,
  "withdrawal_amt" DECIMAL(18,2),
  "deposit_amt" DECIMAL(18,2),
  "balance_amt" DECIMAL(18,2) NOT NULL,
  "updated_at" TIMESTAMPTZ NOT NULL,
  "more" VARCHAR(8),
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("transaction_no")
) DISTSTYLE KEY DISTKEY ("account_no") COMPOUND SORTKEY ("txn_date");

COPY "shop"."transactions" ("transaction_no", "account_no", "txn_date", "transaction_details", "chip_used", "value_date", "withdrawal_amt", "deposit_amt", "balance_amt", "updated_at", "more", "_batch", "_seq", "_deleted") FROM 's3://landing/shop/transactions/_manifests/00000003.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT pg_last_copy_count();

SELECT COUNT(key), COUNT(DISTINCT key) FROM (SELECT "transaction_no" AS key FROM "shop"."transactions" WHERE NOT "_deleted" UNION ALL SELECT MAX("transaction_no") FROM "shop"."transactions" WHERE FALSE) AS keys;

INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (E'shop.transactions', 1, 3, E'id of the batch', E'1aece4bc275313b3', 1, 1, 0, E'run', '2026-11-21T00:00:00'::timestamp, GETDATE());

COMMIT;
