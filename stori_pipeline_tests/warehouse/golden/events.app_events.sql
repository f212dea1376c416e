LOCK "events"."app_events";

SELECT generation, batch, fingerprint FROM pipeline.loads
WHERE target = %s ORDER BY generation DESC, batch DESC, finished_at DESC LIMIT 1;

CREATE TEMP TABLE "stage_app_events" (
  "id" VARCHAR(36),
  "received_at" TIMESTAMPTZ,
  "anonymous_id" VARCHAR(36),
  "context_app_version" VARCHAR(16),
  "context_device_ad_tracking_enabled" BOOLEAN,
  "context_device_manufacturer" VARCHAR(64),
  "context_device_model" VARCHAR(64),
  "context_device_type" VARCHAR(16),
  "context_library_name" VARCHAR(32),
  "context_library_version" VARCHAR(16),
  "context_locale" VARCHAR(16),
  "context_network_wifi" BOOLEAN,
  "context_os_name" VARCHAR(32),
  "context_timezone" VARCHAR(64),
  "event" VARCHAR(64),
  "event_text" VARCHAR(128),
  "original_timestamp" TIMESTAMPTZ,
  "sent_at" TIMESTAMPTZ,
  "timestamp" TIMESTAMPTZ,
  "user_id" BIGINT,
  "context_network_carrier" VARCHAR(64),
  "context_device_token" VARCHAR(256),
  "context_traits_taxfix_language" VARCHAR(16),
  "_batch" BIGINT,
  "_seq" BIGINT,
  "_deleted" BOOLEAN
);

COPY "stage_app_events" FROM 's3://landing/x.json' IAM_ROLE 'arn:aws:iam::1:role/copy' FORMAT AS PARQUET MANIFEST;

SELECT COUNT(*) FROM "events"."app_events" WHERE NOT EXISTS (SELECT 1 FROM "stage_app_events" AS new WHERE "app_events"."id" = new."id");

DELETE FROM "events"."app_events";

SELECT COUNT(*) FROM "stage_app_events" WHERE "_deleted";

DELETE FROM "events"."app_events" WHERE EXISTS (SELECT 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_app_events") AS winner WHERE winner._rank = 1 AND winner."_deleted" AND "app_events"."id" = winner."id");

DELETE FROM "events"."app_events" USING "stage_app_events" WHERE "app_events"."id" = "stage_app_events"."id";

INSERT INTO "events"."app_events" ("id", "received_at", "anonymous_id", "context_app_version", "context_device_ad_tracking_enabled", "context_device_manufacturer", "context_device_model", "context_device_type", "context_library_name", "context_library_version", "context_locale", "context_network_wifi", "context_os_name", "context_timezone", "event", "event_text", "original_timestamp", "sent_at", "timestamp", "user_id", "context_network_carrier", "context_device_token", "context_traits_taxfix_language", "_batch", "_loaded_at") SELECT "id", "received_at", "anonymous_id", "context_app_version", "context_device_ad_tracking_enabled", "context_device_manufacturer", "context_device_model", "context_device_type", "context_library_name", "context_library_version", "context_locale", "context_network_wifi", "context_os_name", "context_timezone", "event", "event_text", "original_timestamp", "sent_at", "timestamp", "user_id", "context_network_carrier", "context_device_token", "context_traits_taxfix_language", "_batch", GETDATE() FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "_batch" DESC, "_seq" DESC) AS _rank FROM "stage_app_events") AS winner WHERE _rank = 1 AND NOT "_deleted";

INSERT INTO pipeline.loads VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, GETDATE());

SELECT COUNT(*), 0, 1152921504606846975 FROM "events"."app_events";

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~') || '|' || COALESCE(TO_CHAR("received_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(MD5("anonymous_id"), '~') || '|' || COALESCE(MD5("context_app_version"), '~') || '|' || CASE WHEN "context_device_ad_tracking_enabled" THEN 't' WHEN NOT "context_device_ad_tracking_enabled" THEN 'f' ELSE '~' END || '|' || COALESCE(MD5("context_device_manufacturer"), '~') || '|' || COALESCE(MD5("context_device_model"), '~') || '|' || COALESCE(MD5("context_device_type"), '~') || '|' || COALESCE(MD5("context_library_name"), '~') || '|' || COALESCE(MD5("context_library_version"), '~') || '|' || COALESCE(MD5("context_locale"), '~') || '|' || CASE WHEN "context_network_wifi" THEN 't' WHEN NOT "context_network_wifi" THEN 'f' ELSE '~' END || '|' || COALESCE(MD5("context_os_name"), '~') || '|' || COALESCE(MD5("context_timezone"), '~') || '|' || COALESCE(MD5("event"), '~') || '|' || COALESCE(MD5("event_text"), '~') || '|' || COALESCE(TO_CHAR("original_timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("sent_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("user_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("context_network_carrier"), '~') || '|' || COALESCE(MD5("context_device_token"), '~') || '|' || COALESCE(MD5("context_traits_taxfix_language"), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "events"."app_events" WHERE STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT (STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) - 0) / 10 AS bucket, COUNT(*), SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "events"."app_events" WHERE STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) < 1000 GROUP BY 1;

SELECT "id", SUM(CAST(STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~') || '|' || COALESCE(TO_CHAR("received_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(MD5("anonymous_id"), '~') || '|' || COALESCE(MD5("context_app_version"), '~') || '|' || CASE WHEN "context_device_ad_tracking_enabled" THEN 't' WHEN NOT "context_device_ad_tracking_enabled" THEN 'f' ELSE '~' END || '|' || COALESCE(MD5("context_device_manufacturer"), '~') || '|' || COALESCE(MD5("context_device_model"), '~') || '|' || COALESCE(MD5("context_device_type"), '~') || '|' || COALESCE(MD5("context_library_name"), '~') || '|' || COALESCE(MD5("context_library_version"), '~') || '|' || COALESCE(MD5("context_locale"), '~') || '|' || CASE WHEN "context_network_wifi" THEN 't' WHEN NOT "context_network_wifi" THEN 'f' ELSE '~' END || '|' || COALESCE(MD5("context_os_name"), '~') || '|' || COALESCE(MD5("context_timezone"), '~') || '|' || COALESCE(MD5("event"), '~') || '|' || COALESCE(MD5("event_text"), '~') || '|' || COALESCE(TO_CHAR("original_timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("sent_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(TO_CHAR("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~') || '|' || COALESCE(CAST("user_id" AS VARCHAR(20)), '~') || '|' || COALESCE(MD5("context_network_carrier"), '~') || '|' || COALESCE(MD5("context_device_token"), '~') || '|' || COALESCE(MD5("context_traits_taxfix_language"), '~')), 1, 15), 16) AS DECIMAL(38,0))) FROM "events"."app_events" WHERE (STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) >= 0 AND STRTOL(SUBSTRING(MD5(COALESCE(MD5("id"), '~')), 1, 15), 16) < 10) GROUP BY 1;
