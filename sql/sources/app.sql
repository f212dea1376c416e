-- The app's own database. `stori seed` runs this; running it again changes nothing.

CREATE TABLE IF NOT EXISTS users (
    id          serial       PRIMARY KEY,
    name        text,
    email       text,                                -- not unique: people register twice
    address     text,                                -- several lines
    created_at  timestamp    DEFAULT CURRENT_TIMESTAMP,
    updated_at  timestamptz  NOT NULL DEFAULT now()
);

-- The amount is positive for a refund, too. The type says what an amount means, and nothing constrains the type.
CREATE TABLE IF NOT EXISTS transactions (
    id                serial          PRIMARY KEY,
    user_id           integer         REFERENCES users (id),
    amount            numeric(10, 2),
    transaction_type  text,
    created_at        timestamp       DEFAULT CURRENT_TIMESTAMP,
    updated_at        timestamptz     NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS users_updated_at ON users (updated_at);
CREATE INDEX IF NOT EXISTS transactions_updated_at ON transactions (updated_at);

-- Every update gets a stamp, whatever the statement sets. The stamp is now(), the transaction's start: two updates in one transaction get
-- the same stamp, and a transaction that commits late gets an older stamp than those that committed before it.
CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER users_stamp BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE OR REPLACE TRIGGER transactions_stamp BEFORE UPDATE ON transactions FOR EACH ROW EXECUTE FUNCTION stamp();
