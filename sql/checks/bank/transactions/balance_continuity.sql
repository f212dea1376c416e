-- severity: warn
-- Each balance is the account's balance before it, plus the deposit, minus the withdrawal, in the order of posting.
SELECT account_no, transaction_no, balance_before, deposit_amt, withdrawal_amt, balance_amt
FROM (
  SELECT
    account_no, transaction_no, deposit_amt, withdrawal_amt, balance_amt,
    LAG(balance_amt) OVER (PARTITION BY account_no ORDER BY transaction_no) AS balance_before
  FROM bank.transactions
) AS movement
WHERE balance_before + COALESCE(deposit_amt, 0) - COALESCE(withdrawal_amt, 0) <> balance_amt
