-- The app's users, one row each, as they typed their data and beside it in lower case to search and to join by.
--
-- The newest version of each id: the one of the later batch, since a later batch is read from a later state of the source whatever
-- `updated_at` says, and within a batch the one updated last. E-mail addresses are not unique.
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
