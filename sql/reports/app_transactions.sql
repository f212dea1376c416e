-- The app's transactions, one row each.
--
-- Amounts are positive for refunds, too, and the source names no currency. A row is the newest version of its id. A later batch is newer,
-- because it is read from a later state of the source, whatever `updated_at` says; within a batch, the row updated last is newer. A
-- transaction may arrive before its user, or have no user.
SELECT
  id,
  user_id,
  amount,
  transaction_type,
  created_at,
  updated_at
FROM (
  SELECT
    id, user_id, amount, transaction_type, created_at, updated_at,
    ROW_NUMBER() OVER (PARTITION BY id ORDER BY _batch DESC, updated_at DESC, _loaded_at DESC) AS newest
  FROM app.transactions
) AS version
WHERE newest = 1
