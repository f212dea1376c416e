-- The app's users, one row each: their data as they typed them, and in lower case for searching and joining.
--
-- A row is the newest version of its id. A later batch is newer, because it is read from a later state of the source, whatever `updated_at`
-- says; within a batch, the row updated last is newer. E-mail addresses are not unique.
SELECT
  id,
  name,
  LOWER(name) AS name_lower,
  email,
  LOWER(email) AS email_lower,
  address,
  LOWER(address) AS address_lower,
  created_at,
  updated_at
FROM (
  SELECT
    id, name, email, address, created_at, updated_at,
    ROW_NUMBER() OVER (PARTITION BY id ORDER BY _batch DESC, updated_at DESC, _loaded_at DESC) AS newest
  FROM app.users
) AS version
WHERE newest = 1
