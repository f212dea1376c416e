-- The closing balance of each account on each day, from its first movement to the newest day on which any account moved.
--
-- The closing balance is what the bank wrote with the day's last posted movement. A day without movements repeats the balance of the day
-- before. Amounts are in the bank's one currency. After 10,000 days without a movement, an account has no more rows.
-- materialized: table
WITH moved AS (
  SELECT
    account_no,
    txn_date,
    MAX(transaction_no) AS last_transaction_no,
    COUNT(*) AS movements,
    SUM(NVL(deposit_amt, 0)) AS deposits,
    SUM(NVL(withdrawal_amt, 0)) AS withdrawals
  FROM bank.transactions
  GROUP BY account_no, txn_date
), newest AS (
  SELECT DATEADD(day, 1, MAX(txn_date)) AS day_after
  FROM moved
), closing AS (
  SELECT
    moved.account_no,
    moved.txn_date,
    posted.balance_amt,
    moved.movements,
    moved.deposits,
    moved.withdrawals,
    DATEDIFF(
      day,
      moved.txn_date,
      NVL(LEAD(moved.txn_date) OVER (PARTITION BY moved.account_no ORDER BY moved.txn_date), newest.day_after)
    ) AS days
  FROM moved
  JOIN bank.transactions AS posted ON posted.transaction_no = moved.last_transaction_no
  CROSS JOIN newest
), digit AS (
  SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9
), carried AS (
  -- Digit by digit, so that each movement meets only as many numbers as there are days until the next one.
  SELECT
    closing.*,
    thousands.n * 1000 + hundreds.n * 100 + tens.n * 10 + ones.n AS later
  FROM closing
  JOIN digit AS thousands ON thousands.n * 1000 < closing.days
  JOIN digit AS hundreds ON thousands.n * 1000 + hundreds.n * 100 < closing.days
  JOIN digit AS tens ON thousands.n * 1000 + hundreds.n * 100 + tens.n * 10 < closing.days
  JOIN digit AS ones ON thousands.n * 1000 + hundreds.n * 100 + tens.n * 10 + ones.n < closing.days
)
SELECT
  account_no,
  CAST(DATEADD(day, later, txn_date) AS DATE) AS day,
  balance_amt AS closing_balance,
  CASE WHEN later = 0 THEN movements ELSE 0 END AS movements,
  CASE WHEN later = 0 THEN deposits ELSE 0 END AS deposits,
  CASE WHEN later = 0 THEN withdrawals ELSE 0 END AS withdrawals
FROM carried
