-- Registrations begun and submissions made, by day and platform: events, the people behind them, and how many of those who began came to
-- submit.
--
-- A day is one of the calendar that `time_zone` names, by the event's `timestamp`: each event counts once in the rows of Europe/Berlin, where
-- the business is, and once in those of UTC; do not add them up. An event that arrives late counts on the day on which it happened, so
-- past days change. People are told apart by installation (`anonymous_id`). `converted_people` are those among `registering_people`
-- who have submitted since, on whatever day or platform; `conversion` is their share.
WITH happened AS (
  SELECT
    'Europe/Berlin' AS time_zone,
    CAST("timestamp" AT TIME ZONE 'Europe/Berlin' AS DATE) AS day,
    LOWER(context_device_type) AS platform,
    event,
    anonymous_id,
    "timestamp" AS happened_at
  FROM events.app_events
  WHERE event IN ('registration_initiated', 'submission_success')
  UNION ALL
  SELECT
    'UTC' AS time_zone,
    CAST("timestamp" AT TIME ZONE 'UTC' AS DATE) AS day,
    LOWER(context_device_type) AS platform,
    event,
    anonymous_id,
    "timestamp" AS happened_at
  FROM events.app_events
  WHERE event IN ('registration_initiated', 'submission_success')
),
last_submission AS (
  SELECT anonymous_id, MAX("timestamp") AS submitted_at
  FROM events.app_events
  WHERE event = 'submission_success'
  GROUP BY anonymous_id
)
SELECT
  happened.time_zone,
  happened.day,
  happened.platform,
  SUM(CASE WHEN happened.event = 'registration_initiated' THEN 1 ELSE 0 END) AS registrations,
  SUM(CASE WHEN happened.event = 'submission_success' THEN 1 ELSE 0 END) AS submissions,
  COUNT(DISTINCT CASE WHEN happened.event = 'registration_initiated' THEN happened.anonymous_id END) AS registering_people,
  COUNT(DISTINCT CASE WHEN happened.event = 'submission_success' THEN happened.anonymous_id END) AS submitting_people,
  COUNT(DISTINCT CASE
    WHEN happened.event = 'registration_initiated' AND last_submission.submitted_at >= happened.happened_at THEN happened.anonymous_id
  END) AS converted_people,
  CAST(
    CAST(COUNT(DISTINCT CASE
      WHEN happened.event = 'registration_initiated' AND last_submission.submitted_at >= happened.happened_at THEN happened.anonymous_id
    END) AS DECIMAL(18, 4))
    / NULLIF(COUNT(DISTINCT CASE WHEN happened.event = 'registration_initiated' THEN happened.anonymous_id END), 0)
    AS DECIMAL(5, 4)
  ) AS conversion
FROM happened
LEFT JOIN last_submission ON last_submission.anonymous_id = happened.anonymous_id
GROUP BY 1, 2, 3
