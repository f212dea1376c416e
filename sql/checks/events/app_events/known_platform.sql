-- severity: warn
-- The platform is Android or iOS, and the manufacturer fits it: Apple makes iOS devices, and nobody else does.
SELECT id, context_device_type, context_device_manufacturer, context_device_model
FROM events.app_events
WHERE LOWER(context_device_type) NOT IN ('android', 'ios')
   OR (LOWER(context_device_type) = 'ios') <> (LOWER(context_device_manufacturer) = 'apple')
