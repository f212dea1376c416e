-- The bank's own database, as its application uses it. `stori seed` runs this; running it again changes nothing.

-- One row per movement on an account. There is no natural key, because the same account, day and text repeat; hence the serial number.
-- Only the application sets updated_at (there is no trigger), so an edit that forgets it leaves no trace. There is no CHECK for "exactly one
-- of withdrawal and deposit": the replaced system has none, and the warehouse's checks must see what a source lets through.
CREATE TABLE IF NOT EXISTS transactions (
    transaction_no       bigserial      PRIMARY KEY,
    account_no           text           NOT NULL,
    txn_date             date           NOT NULL,
    transaction_details  text,
    chip_used            boolean        NOT NULL,
    value_date           date           NOT NULL,
    withdrawal_amt       numeric(18, 2),
    deposit_amt          numeric(18, 2),
    balance_amt          numeric(18, 2) NOT NULL,
    updated_at           timestamptz    NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS transactions_updated_at ON transactions (updated_at);

-- The application uses this index to look up an account's newest balance.
CREATE INDEX IF NOT EXISTS transactions_account_no ON transactions (account_no, transaction_no);

-- Which line of an imported file became which row, so that importing a file again inserts nothing. Rows may have been edited or deleted
-- since, so there is no foreign key. `content` is the SHA-256 of a line's content; of equal lines in one file, the first is occurrence 1,
-- the second occurrence 2, and so on.
CREATE TABLE IF NOT EXISTS imports (
    content         bytea   NOT NULL,
    occurrence      integer NOT NULL,
    transaction_no  bigint  NOT NULL,
    PRIMARY KEY (content, occurrence)
);
