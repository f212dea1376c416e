-- The closing balance of each account on each day, from its first movement to the newest day on which any account moved.
--
-- The balance is the one that the bank wrote at the day's movement posted last. A day without movement carries on the balance of the day
-- before, with no movements. Amounts are in the bank's one currency. After 10,000 days without movement an account is no longer carried on.
-- materialized: table
WITH movement AS (
  SELECT
    account_no,
    txn_date,
    balance_amt,
    ROW_NUMBER() OVER (PARTITION BY account_no, txn_date ORDER BY transaction_no DESC) AS from_last,
    COUNT(*) OVER (PARTITION BY account_no, txn_date) AS movements,
    SUM(NVL(deposit_amt, 0)) OVER (PARTITION BY account_no, txn_date) AS deposits,
    SUM(NVL(withdrawal_amt, 0)) OVER (PARTITION BY account_no, txn_date) AS withdrawals,
    MAX(txn_date) OVER () AS newest_date
  FROM bank.transactions
), closing AS (
  SELECT
    account_no,
    txn_date,
    balance_amt,
    movements,
    deposits,
    withdrawals,
    DATEDIFF(day, txn_date, NVL(LEAD(txn_date) OVER (PARTITION BY account_no ORDER BY txn_date), DATEADD(day, 1, newest_date))) AS days
  FROM movement
  WHERE from_last = 1
), digit AS (
  SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9
), later AS (
  SELECT thousands.n * 1000 + hundreds.n * 100 + tens.n * 10 + ones.n AS days
  FROM digit AS thousands
  CROSS JOIN digit AS hundreds
  CROSS JOIN digit AS tens
  CROSS JOIN digit AS ones
)
SELECT
  closing.account_no,
  CAST(DATEADD(day, later.days, closing.txn_date) AS DATE) AS day,
  closing.balance_amt AS closing_balance,
  CASE WHEN later.days = 0 THEN closing.movements ELSE 0 END AS movements,
  CASE WHEN later.days = 0 THEN closing.deposits ELSE 0 END AS deposits,
  CASE WHEN later.days = 0 THEN closing.withdrawals ELSE 0 END AS withdrawals
FROM closing
JOIN later ON later.days < closing.days
