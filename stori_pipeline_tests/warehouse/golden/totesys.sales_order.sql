LOCK "totesys"."sales_order";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_sales_order" (
  "sales_order_id" INTEGER,
  "created_at" TIMESTAMPTZ,
  "last_updated" TIMESTAMPTZ,
  "design_id" INTEGER,
  "staff_id" INTEGER,
  "counterparty_id" INTEGER,
  "units_sold" INTEGER,
  "unit_price" DECIMAL(10,2),
  "currency_id" INTEGER,
  "agreed_delivery_date" VARCHAR(10),
  "agreed_payment_date" VARCHAR(10),
  "agreed_delivery_location_id" INTEGER,
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_sales_order" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "totesys"."sales_order" WHERE NOT EXISTS (SELECT 1 FROM "stage_sales_order" AS new WHERE "sales_order"."sales_order_id" = new."sales_order_id");

DELETE FROM "totesys"."sales_order";

SELECT COUNT(*) FROM "stage_sales_order" WHERE "_deleted";

DELETE FROM "totesys"."sales_order" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "sales_order_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_sales_order") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "sales_order"."sales_order_id" = winner."sales_order_id");

DELETE FROM "totesys"."sales_order" USING "stage_sales_order" WHERE "sales_order"."sales_order_id" = "stage_sales_order"."sales_order_id";

INSERT INTO "totesys"."sales_order" ("sales_order_id", "created_at", "last_updated", "design_id", "staff_id", "counterparty_id", "units_sold", "unit_price", "currency_id", "agreed_delivery_date", "agreed_payment_date", "agreed_delivery_location_id", "_batch", "_loaded_at") SELECT "sales_order_id", "created_at", "last_updated", "design_id", "staff_id", "counterparty_id", "units_sold", "unit_price", "currency_id", "agreed_delivery_date", "agreed_payment_date", "agreed_delivery_location_id", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "sales_order_id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_sales_order") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), MIN("sales_order_id"), MAX("sales_order_id") FROM "totesys"."sales_order";

SELECT ("sales_order_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("sales_order_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("design_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("staff_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("units_sold" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("unit_price" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("agreed_delivery_date"), '~') || '|' || COALESCE(MD5("agreed_payment_date"), '~') || '|' || COALESCE(CAST("agreed_delivery_location_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."sales_order" WHERE "sales_order_id" >= 0 AND "sales_order_id" < 1000 GROUP BY 1;

SELECT ("sales_order_id" - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("sales_order_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."sales_order" WHERE "sales_order_id" >= 0 AND "sales_order_id" < 1000 GROUP BY 1;

SELECT COALESCE(CAST("sales_order_id" AS VARCHAR(20)), '~'), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(CAST("sales_order_id" AS VARCHAR(20)), '~') || '|' || COALESCE(TO_CHAR("created_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("last_updated" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("design_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("staff_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("counterparty_id" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST("units_sold" AS VARCHAR(20)), '~') || '|' || COALESCE(CAST(CAST("unit_price" AS DECIMAL(10,2)) AS VARCHAR(42)), '~') || '|' || COALESCE(CAST("currency_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("agreed_delivery_date"), '~') || '|' || COALESCE(MD5("agreed_payment_date"), '~') || '|' || COALESCE(CAST("agreed_delivery_location_id" AS VARCHAR(20)), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "totesys"."sales_order" WHERE ("sales_order_id" >= 0 AND "sales_order_id" < 10) GROUP BY 1;
