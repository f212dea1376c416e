-- severity: warn
-- An event happens by the device's clock, then by the corrected one, is sent, and is received, in that order, give or take a second.
SELECT id, original_timestamp, "timestamp", sent_at, received_at
FROM events.app_events
WHERE DATEDIFF(second, "timestamp", original_timestamp) > 1
   OR DATEDIFF(second, sent_at, "timestamp") > 1
   OR DATEDIFF(second, received_at, sent_at) > 1
