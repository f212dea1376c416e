-- the first load, of a snapshot

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'fact_payment' AND column_name = '_seq';

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'fact_payment' AND column_name = '_seq';

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

CREATE TABLE "shop"."fact_payment" (
  "payment_record_id" INTEGER NOT NULL,
  "payment_id" INTEGER NOT NULL,
  "created_date" DATE NOT NULL,
  "created_time" TIME NOT NULL,
  "last_updated_date" DATE NOT NULL,
  "last_updated_time" TIME NOT NULL,
  "transaction_id" INTEGER NOT NULL,
  "counterparty_id" INTEGER NOT NULL,
  "payment_amount" DECIMAL(10,2) NOT NULL,
  "currency_id" INTEGER NOT NULL,
  "payment_type_id" INTEGER NOT NULL,
  "paid" BOOLEAN NOT NULL,
  "payment_date" DATE NOT NULL,
  "_observed_at" TIMESTAMPTZ NOT NULL,
  "_removed" BOOLEAN NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("payment_record_id")
) COMPOUND SORTKEY ("created_date");

SELECT GETDATE();

CREATE OR REPLACE VIEW "shop"."fact_payment_current" AS
SELECT "payment_record_id", "payment_id", "created_date", "created_time", "last_updated_date", "last_updated_time", "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at"
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "payment_id" ORDER BY "payment_record_id" DESC) AS _rank FROM "shop"."fact_payment") AS version
WHERE _rank = 1 AND NOT "_removed";

CREATE TEMP TABLE "stage_fact_payment" (
  "payment_record_id" INTEGER,
  "payment_id" INTEGER,
  "created_date" DATE,
  "created_time" VARCHAR(15),
  "last_updated_date" DATE,
  "last_updated_time" VARCHAR(15),
  "transaction_id" INTEGER,
  "counterparty_id" INTEGER,
  "payment_amount" DECIMAL(10,2),
  "currency_id" INTEGER,
  "payment_type_id" INTEGER,
  "paid" BOOLEAN,
  "payment_date" DATE,
  "_observed_at" TIMESTAMPTZ,
  "_removed" BOOLEAN,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_fact_payment" FROM 's3://landing/shop/fact_payment/_manifests/00000001.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT pg_last_copy_count();

SELECT COUNT(*), COUNT(DISTINCT "payment_record_id"), COALESCE(SUM(CASE WHEN "_deleted" THEN 1 ELSE 0 END), 0) FROM "stage_fact_payment";

SELECT COUNT(*) FROM "shop"."fact_payment" WHERE NOT EXISTS (SELECT 1 FROM "stage_fact_payment" AS new WHERE "fact_payment"."payment_record_id" = new."payment_record_id");

DELETE FROM "shop"."fact_payment";

INSERT INTO "shop"."fact_payment" ("payment_record_id", "payment_id", "created_date", "created_time", "last_updated_date", "last_updated_time", "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at", "_removed", "_batch", "_loaded_at") SELECT "payment_record_id", "payment_id", "created_date", CAST("created_time" AS TIME), "last_updated_date", CAST("last_updated_time" AS TIME), "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at", "_removed", "_batch", GETDATE() FROM (SELECT *, 1 AS _rank FROM "stage_fact_payment") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (E'shop.fact_payment', 1, 1, E'id of the batch', E'c956aee3e1de91fd', 2, 2, 0, E'run', '2026-11-21T00:00:00'::timestamp, GETDATE());

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
WHERE table_schema = E'shop' AND table_name = E'fact_payment' AND column_name = '_seq';

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.fact_payment' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'fact_payment' AND column_name = '_seq';

ROLLBACK;

SET statement_timeout TO 300000;

BEGIN;

LOCK "shop"."fact_payment";

SET statement_timeout TO 0;

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.fact_payment' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

SELECT GETDATE();

CREATE TEMP TABLE "stage_fact_payment" (
  "payment_record_id" INTEGER,
  "payment_id" INTEGER,
  "created_date" DATE,
  "created_time" VARCHAR(15),
  "last_updated_date" DATE,
  "last_updated_time" VARCHAR(15),
  "transaction_id" INTEGER,
  "counterparty_id" INTEGER,
  "payment_amount" DECIMAL(10,2),
  "currency_id" INTEGER,
  "payment_type_id" INTEGER,
  "paid" BOOLEAN,
  "payment_date" DATE,
  "_observed_at" TIMESTAMPTZ,
  "_removed" BOOLEAN,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_fact_payment" FROM 's3://landing/shop/fact_payment/_manifests/00000002.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT pg_last_copy_count();

SELECT COUNT(*), COUNT(DISTINCT "payment_record_id"), COALESCE(SUM(CASE WHEN "_deleted" THEN 1 ELSE 0 END), 0) FROM "stage_fact_payment";

DELETE FROM "shop"."fact_payment" WHERE EXISTS (SELECT 1 FROM (SELECT *, 1 AS _rank FROM "stage_fact_payment") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "fact_payment"."payment_record_id" = winner."payment_record_id");

DELETE FROM "shop"."fact_payment" USING "stage_fact_payment" WHERE "fact_payment"."payment_record_id" = "stage_fact_payment"."payment_record_id";

INSERT INTO "shop"."fact_payment" ("payment_record_id", "payment_id", "created_date", "created_time", "last_updated_date", "last_updated_time", "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at", "_removed", "_batch", "_loaded_at") SELECT "payment_record_id", "payment_id", "created_date", CAST("created_time" AS TIME), "last_updated_date", CAST("last_updated_time" AS TIME), "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at", "_removed", "_batch", GETDATE() FROM (SELECT *, 1 AS _rank FROM "stage_fact_payment") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (E'shop.fact_payment', 1, 2, E'id of the batch', E'c956aee3e1de91fd', 3, 2, 1, E'run', '2026-11-21T00:00:00'::timestamp, GETDATE());

COMMIT;


-- a comparison

BEGIN;

SELECT COUNT(*), MIN("payment_record_id"), MAX("payment_record_id") FROM "shop"."fact_payment";

BEGIN;

SELECT (CAST("payment_record_id" AS BIGINT) - 1) / 1 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_record_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "created_time", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "last_updated_time", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("payment_amount" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CASE WHEN "paid" THEN 't' WHEN NOT "paid" THEN 'f' END, '~') || '|' || COALESCE(TO_CHAR("payment_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR("_observed_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(CASE WHEN "_removed" THEN 't' WHEN NOT "_removed" THEN 'f' END, '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "shop"."fact_payment" WHERE "payment_record_id" >= 1 AND "payment_record_id" < 4 GROUP BY 1;

BEGIN;

SELECT (CAST("payment_record_id" AS BIGINT) - 1) / 1 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_record_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "shop"."fact_payment" WHERE "payment_record_id" >= 1 AND "payment_record_id" < 4 GROUP BY 1;

BEGIN;

SELECT COALESCE(CAST("payment_record_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("payment_record_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "created_time", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "last_updated_time", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("transaction_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("payment_amount" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("payment_type_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CASE WHEN "paid" THEN 't' WHEN NOT "paid" THEN 'f' END, '~') || '|' || COALESCE(TO_CHAR("payment_date", 'YYYY-MM-DD'), '~') || '|' || COALESCE(TO_CHAR("_observed_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(CASE WHEN "_removed" THEN 't' WHEN NOT "_removed" THEN 'f' END, '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "shop"."fact_payment" WHERE ("payment_record_id" >= 1 AND "payment_record_id" < 4) GROUP BY 1;


-- a load of a definition that has changed

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'fact_payment' AND column_name = '_seq';

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.fact_payment' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'fact_payment' AND column_name = '_seq';

ROLLBACK;

SET statement_timeout TO 300000;

BEGIN;

LOCK "shop"."fact_payment";

SET statement_timeout TO 0;

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.fact_payment' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

SELECT GETDATE();

DROP TABLE "shop"."fact_payment" CASCADE;

CREATE TABLE "shop"."fact_payment" (
  "payment_record_id" INTEGER NOT NULL,
  "payment_id" INTEGER NOT NULL,
  "created_date" DATE NOT NULL,
  "created_time" TIME NOT NULL,
  "last_updated_date" DATE NOT NULL,
  "last_updated_time" TIME NOT NULL,
  "transaction_id" INTEGER NOT NULL,
  "counterparty_id" INTEGER NOT NULL,
  "payment_amount" DECIMAL(10,2) NOT NULL,
  "currency_id" INTEGER NOT NULL,
  "payment_type_id" INTEGER NOT NULL,
  "paid" BOOLEAN NOT NULL,
  "payment_date" DATE NOT NULL,
  "_observed_at" TIMESTAMPTZ NOT NULL,
  "_removed" BOOLEAN NOT NULL,
  "more" VARCHAR(8),
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("payment_record_id")
) COMPOUND SORTKEY ("created_date");

CREATE OR REPLACE VIEW "shop"."fact_payment_current" AS
SELECT "payment_record_id", "payment_id", "created_date", "created_time", "last_updated_date", "last_updated_time", "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at", "more"
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "payment_id" ORDER BY "payment_record_id" DESC) AS _rank FROM "shop"."fact_payment") AS version
WHERE _rank = 1 AND NOT "_removed";

CREATE TEMP TABLE "stage_fact_payment" (
  "payment_record_id" INTEGER,
  "payment_id" INTEGER,
  "created_date" DATE,
  "created_time" VARCHAR(15),
  "last_updated_date" DATE,
  "last_updated_time" VARCHAR(15),
  "transaction_id" INTEGER,
  "counterparty_id" INTEGER,
  "payment_amount" DECIMAL(10,2),
  "currency_id" INTEGER,
  "payment_type_id" INTEGER,
  "paid" BOOLEAN,
  "payment_date" DATE,
  "_observed_at" TIMESTAMPTZ,
  "_removed" BOOLEAN,
  "more" VARCHAR(8),
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_fact_payment" FROM 's3://landing/shop/fact_payment/_manifests/00000003.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT pg_last_copy_count();

SELECT COUNT(*), COUNT(DISTINCT "payment_record_id"), COALESCE(SUM(CASE WHEN "_deleted" THEN 1 ELSE 0 END), 0) FROM "stage_fact_payment";

SELECT COUNT(*) FROM "shop"."fact_payment" WHERE NOT EXISTS (SELECT 1 FROM "stage_fact_payment" AS new WHERE "fact_payment"."payment_record_id" = new."payment_record_id");

DELETE FROM "shop"."fact_payment";

INSERT INTO "shop"."fact_payment" ("payment_record_id", "payment_id", "created_date", "created_time", "last_updated_date", "last_updated_time", "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at", "_removed", "more", "_batch", "_loaded_at") SELECT "payment_record_id", "payment_id", "created_date", CAST("created_time" AS TIME), "last_updated_date", CAST("last_updated_time" AS TIME), "transaction_id", "counterparty_id", "payment_amount", "currency_id", "payment_type_id", "paid", "payment_date", "_observed_at", "_removed", "more", "_batch", GETDATE() FROM (SELECT *, 1 AS _rank FROM "stage_fact_payment") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (E'shop.fact_payment', 1, 3, E'id of the batch', E'70f676eac5d4d503', 1, 1, 0, E'run', '2026-11-21T00:00:00'::timestamp, GETDATE());

COMMIT;
