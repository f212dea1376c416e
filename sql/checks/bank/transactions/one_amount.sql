-- severity: error
-- Exactly one of withdrawal and deposit is set.
SELECT transaction_no, account_no, withdrawal_amt, deposit_amt
FROM bank.transactions
WHERE (withdrawal_amt IS NULL) = (deposit_amt IS NULL)
