-- the first load, of a snapshot

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'readings' AND column_name = '_seq';

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'readings' AND column_name = '_seq';

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

CREATE TABLE "shop"."readings" (
  "sensor" VARCHAR(16) NOT NULL,
  "number" BIGINT NOT NULL,
  "at" TIME,
  "detail" SUPER,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("sensor", "number")
);

SELECT GETDATE();

CREATE TEMP TABLE "stage_readings" (
  "sensor" VARCHAR(16),
  "number" BIGINT,
  "at" VARCHAR(15),
  "detail" VARBYTE(16777216),
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_readings" FROM 's3://landing/shop/readings/_manifests/00000001.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT pg_last_copy_count();

SELECT COALESCE(SUM(versions), 0), COUNT(*), COALESCE(SUM(gone), 0) FROM (SELECT COUNT(*) AS versions, SUM(CASE WHEN "_deleted" THEN 1 ELSE 0 END) AS gone FROM "stage_readings" GROUP BY "sensor", "number") AS keys;

SELECT COUNT(*) FROM "shop"."readings" WHERE NOT EXISTS (SELECT 1 FROM "stage_readings" AS new WHERE "readings"."sensor" = new."sensor" AND "readings"."number" = new."number");

DELETE FROM "shop"."readings";

INSERT INTO "shop"."readings" ("sensor", "number", "at", "detail", "_batch", "_loaded_at") SELECT "sensor", "number", CAST("at" AS TIME), JSON_PARSE("detail"), "_batch", GETDATE() FROM (SELECT *, 1 AS _rank FROM "stage_readings") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (E'shop.readings', 1, 1, E'id of the batch', E'76e50f2a9be072ec', 2, 2, 0, E'run', '2026-11-21T00:00:00'::timestamp, GETDATE());

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
WHERE table_schema = E'shop' AND table_name = E'readings' AND column_name = '_seq';

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.readings' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'readings' AND column_name = '_seq';

ROLLBACK;

SET statement_timeout TO 300000;

BEGIN;

LOCK "shop"."readings";

SET statement_timeout TO 0;

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.readings' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

SELECT GETDATE();

CREATE TEMP TABLE "stage_readings" (
  "sensor" VARCHAR(16),
  "number" BIGINT,
  "at" VARCHAR(15),
  "detail" VARBYTE(16777216),
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_readings" FROM 's3://landing/shop/readings/_manifests/00000002.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT pg_last_copy_count();

SELECT COALESCE(SUM(versions), 0), COUNT(*), COALESCE(SUM(gone), 0) FROM (SELECT COUNT(*) AS versions, SUM(CASE WHEN "_deleted" THEN 1 ELSE 0 END) AS gone FROM "stage_readings" GROUP BY "sensor", "number") AS keys;

DELETE FROM "shop"."readings" WHERE EXISTS (SELECT 1 FROM (SELECT *, 1 AS _rank FROM "stage_readings") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "readings"."sensor" = winner."sensor" AND "readings"."number" = winner."number");

DELETE FROM "shop"."readings" USING "stage_readings" WHERE "readings"."sensor" = "stage_readings"."sensor" AND "readings"."number" = "stage_readings"."number";

INSERT INTO "shop"."readings" ("sensor", "number", "at", "detail", "_batch", "_loaded_at") SELECT "sensor", "number", CAST("at" AS TIME), JSON_PARSE("detail"), "_batch", GETDATE() FROM (SELECT *, 1 AS _rank FROM "stage_readings") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (E'shop.readings', 1, 2, E'id of the batch', E'76e50f2a9be072ec', 3, 2, 1, E'run', '2026-11-21T00:00:00'::timestamp, GETDATE());

COMMIT;


-- a comparison

BEGIN;

SELECT COUNT(*), 0, 1 FROM "shop"."readings";

BEGIN;

SELECT (CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) AS BIGINT) - 0) / 1 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "at", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(MD5(NULLIF(JSON_SERIALIZE("detail"), 'null')), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "shop"."readings" WHERE STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) < 1 GROUP BY 1;

BEGIN;

SELECT (CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) AS BIGINT) - 0) / 1 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "shop"."readings" WHERE STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) < 1 GROUP BY 1;

BEGIN;

SELECT "sensor", COALESCE(CAST("number" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR(DATE '2000-01-01' + "at", 'HH24:MI:SS.US'), '~') || '|' || COALESCE(MD5(NULLIF(JSON_SERIALIZE("detail"), 'null')), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "shop"."readings" WHERE (STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) < 1 AND (CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("sensor"), '~') || '|' || COALESCE(CAST("number" AS VARCHAR(20)), '~')), 1, 15), 16) AS BIGINT) - 0) / 1 IN (0)) GROUP BY 1, 2;


-- a load of a definition that has changed

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'readings' AND column_name = '_seq';

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.readings' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

BEGIN;

SELECT table_schema, table_name FROM information_schema.tables
WHERE (table_schema = 'pipeline' AND table_name = 'loads') OR table_schema = E'shop'
UNION ALL
SELECT 'pipeline.loads', column_name FROM information_schema.columns
WHERE table_schema = 'pipeline' AND table_name = 'loads' AND column_name = 'batch_id'
UNION ALL
SELECT 'mirror', column_name FROM information_schema.columns
WHERE table_schema = E'shop' AND table_name = E'readings' AND column_name = '_seq';

ROLLBACK;

SET statement_timeout TO 300000;

BEGIN;

LOCK "shop"."readings";

SET statement_timeout TO 0;

SELECT generation, batch, fingerprint, batch_id FROM pipeline.loads
WHERE target = E'shop.readings' ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

SELECT GETDATE();

DROP TABLE "shop"."readings" CASCADE;

CREATE TABLE "shop"."readings" (
  "sensor" VARCHAR(16) NOT NULL,
  "number" BIGINT NOT NULL,
  "at" TIME,
  "detail" SUPER,
  "more" VARCHAR(8),
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("sensor", "number")
);

CREATE TEMP TABLE "stage_readings" (
  "sensor" VARCHAR(16),
  "number" BIGINT,
  "at" VARCHAR(15),
  "detail" VARBYTE(16777216),
  "more" VARCHAR(8),
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_readings" FROM 's3://landing/shop/readings/_manifests/00000003.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT pg_last_copy_count();

SELECT COALESCE(SUM(versions), 0), COUNT(*), COALESCE(SUM(gone), 0) FROM (SELECT COUNT(*) AS versions, SUM(CASE WHEN "_deleted" THEN 1 ELSE 0 END) AS gone FROM "stage_readings" GROUP BY "sensor", "number") AS keys;

SELECT COUNT(*) FROM "shop"."readings" WHERE NOT EXISTS (SELECT 1 FROM "stage_readings" AS new WHERE "readings"."sensor" = new."sensor" AND "readings"."number" = new."number");

DELETE FROM "shop"."readings";

INSERT INTO "shop"."readings" ("sensor", "number", "at", "detail", "more", "_batch", "_loaded_at") SELECT "sensor", "number", CAST("at" AS TIME), JSON_PARSE("detail"), "more", "_batch", GETDATE() FROM (SELECT *, 1 AS _rank FROM "stage_readings") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads
  (target, generation, batch, batch_id, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id, started_at, finished_at)
VALUES (E'shop.readings', 1, 3, E'id of the batch', E'9221e89383cea527', 1, 1, 0, E'run', '2026-11-21T00:00:00'::timestamp, GETDATE());

COMMIT;
