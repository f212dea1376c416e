-- severity: warn
-- The four times of an event ascend, give or take a second: `original_timestamp`, `timestamp`, `sent_at`, `received_at`.
SELECT id, original_timestamp, "timestamp", sent_at, received_at
FROM events.app_events
WHERE DATEDIFF(second, "timestamp", original_timestamp) > 1
   OR DATEDIFF(second, sent_at, "timestamp") > 1
   OR DATEDIFF(second, received_at, sent_at) > 1
