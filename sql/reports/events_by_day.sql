-- Registrations begun and submissions made, by day and platform: events, people, and how many of those who began a registration also
-- submitted.
--
-- `time_zone` says in which calendar a day is counted. Each event counts once in the rows of Europe/Berlin, where the business is, and once
-- in the rows of UTC, on the day of its `timestamp`; do not add the two up. A late event counts on the day on which it happened, so past
-- days change. An installation (`anonymous_id`) counts as one person. `converted_people` are the `registering_people` who have submitted
-- since, on any day and platform; `conversion` is their share.
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
