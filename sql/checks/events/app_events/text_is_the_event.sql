-- severity: warn
-- `event_text` is `event` in camel case.
SELECT id, event, event_text
FROM events.app_events
WHERE LOWER(REPLACE(event, '_', '')) <> LOWER(event_text)
