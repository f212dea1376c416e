-- The database of the tote bag company's trading application. `stori seed` runs this; running it again changes nothing.

-- The application sets last_updated itself: the column has neither a default nor a trigger, so an edit that bypasses the application
-- leaves it as it was. Timestamps have no zone and are cut to the millisecond; agreed dates are texts. This is how the application made
-- its tables, and nothing is corrected here, because the pipeline has to work with them.

DO $$ BEGIN
    CREATE TYPE "PaymentTypeName" AS ENUM ('SALES_RECEIPT', 'SALES_REFUND', 'PURCHASE_PAYMENT', 'PURCHASE_REFUND');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

DO $$ BEGIN
    CREATE TYPE "TransactionType" AS ENUM ('SALE', 'PURCHASE');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

CREATE TABLE IF NOT EXISTS address (
    address_id      serial        PRIMARY KEY,
    address_line_1  text          NOT NULL,
    address_line_2  text,
    district        text,
    city            text          NOT NULL,
    postal_code     text          NOT NULL,
    country         text          NOT NULL,
    phone           text          NOT NULL,
    created_at      timestamp(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated    timestamp(3)  NOT NULL
);

CREATE TABLE IF NOT EXISTS counterparty (
    counterparty_id          serial        PRIMARY KEY,
    counterparty_legal_name  text          NOT NULL,
    legal_address_id         integer       NOT NULL REFERENCES address ON UPDATE CASCADE ON DELETE RESTRICT,
    commercial_contact       text,
    delivery_contact         text,
    created_at               timestamp(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated             timestamp(3)  NOT NULL
);

CREATE TABLE IF NOT EXISTS currency (
    currency_id    serial        PRIMARY KEY,
    currency_code  varchar(3)    NOT NULL,
    created_at     timestamp(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated   timestamp(3)  NOT NULL
);

CREATE TABLE IF NOT EXISTS department (
    department_id    serial        PRIMARY KEY,
    department_name  text          NOT NULL,
    location         text,
    manager          text,
    created_at       timestamp(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated     timestamp(3)  NOT NULL
);

-- The one table whose two timestamps are not side by side.
CREATE TABLE IF NOT EXISTS design (
    design_id      serial        PRIMARY KEY,
    created_at     timestamp(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    design_name    text          NOT NULL,
    file_location  text          NOT NULL,
    file_name      text          NOT NULL,
    last_updated   timestamp(3)  NOT NULL
);

CREATE TABLE IF NOT EXISTS staff (
    staff_id       serial        PRIMARY KEY,
    first_name     text          NOT NULL,
    last_name      text          NOT NULL,
    department_id  integer       NOT NULL REFERENCES department ON UPDATE CASCADE ON DELETE RESTRICT,
    email_address  text          NOT NULL,
    created_at     timestamp(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated   timestamp(3)  NOT NULL
);

CREATE TABLE IF NOT EXISTS sales_order (
    sales_order_id               serial         PRIMARY KEY,
    created_at                   timestamp(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated                 timestamp(3)   NOT NULL,
    design_id                    integer        NOT NULL REFERENCES design ON UPDATE CASCADE ON DELETE RESTRICT,
    staff_id                     integer        NOT NULL REFERENCES staff ON UPDATE CASCADE ON DELETE RESTRICT,
    counterparty_id              integer        NOT NULL REFERENCES counterparty ON UPDATE CASCADE ON DELETE RESTRICT,
    units_sold                   integer        NOT NULL,
    unit_price                   numeric(10, 2) NOT NULL,
    currency_id                  integer        NOT NULL REFERENCES currency ON UPDATE CASCADE ON DELETE RESTRICT,
    agreed_delivery_date         text           NOT NULL,
    agreed_payment_date          text           NOT NULL,
    agreed_delivery_location_id  integer        NOT NULL REFERENCES address ON UPDATE CASCADE ON DELETE RESTRICT
);

CREATE TABLE IF NOT EXISTS purchase_order (
    purchase_order_id            serial         PRIMARY KEY,
    created_at                   timestamp(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated                 timestamp(3)   NOT NULL,
    staff_id                     integer        NOT NULL REFERENCES staff ON UPDATE CASCADE ON DELETE RESTRICT,
    counterparty_id              integer        NOT NULL REFERENCES counterparty ON UPDATE CASCADE ON DELETE RESTRICT,
    item_code                    text           NOT NULL,
    item_quantity                integer        NOT NULL,
    item_unit_price              numeric(10, 2) NOT NULL,
    currency_id                  integer        NOT NULL REFERENCES currency ON UPDATE CASCADE ON DELETE RESTRICT,
    agreed_delivery_date         text           NOT NULL,
    agreed_payment_date          text           NOT NULL,
    agreed_delivery_location_id  integer        NOT NULL REFERENCES address ON UPDATE CASCADE ON DELETE RESTRICT
);

CREATE TABLE IF NOT EXISTS payment_type (
    payment_type_id    serial             PRIMARY KEY,
    payment_type_name  "PaymentTypeName"  NOT NULL,
    created_at         timestamp(3)       NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated       timestamp(3)       NOT NULL
);

-- If an order is deleted, its transaction stays.
CREATE TABLE IF NOT EXISTS "transaction" (
    transaction_id     serial             PRIMARY KEY,
    transaction_type   "TransactionType"  NOT NULL,
    sales_order_id     integer            UNIQUE REFERENCES sales_order ON UPDATE CASCADE ON DELETE SET NULL,
    purchase_order_id  integer            UNIQUE REFERENCES purchase_order ON UPDATE CASCADE ON DELETE SET NULL,
    created_at         timestamp(3)       NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated       timestamp(3)       NOT NULL
);

CREATE TABLE IF NOT EXISTS payment (
    payment_id              serial         PRIMARY KEY,
    created_at              timestamp(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_updated            timestamp(3)   NOT NULL,
    transaction_id          integer        NOT NULL UNIQUE REFERENCES "transaction" ON UPDATE CASCADE ON DELETE RESTRICT,
    counterparty_id         integer        NOT NULL REFERENCES counterparty ON UPDATE CASCADE ON DELETE RESTRICT,
    payment_amount          numeric(10, 2) NOT NULL,
    currency_id             integer        NOT NULL REFERENCES currency ON UPDATE CASCADE ON DELETE RESTRICT,
    payment_type_id         integer        NOT NULL REFERENCES payment_type ON UPDATE CASCADE ON DELETE RESTRICT,
    paid                    boolean        NOT NULL,
    payment_date            text           NOT NULL,
    company_ac_number       integer        NOT NULL,
    counterparty_ac_number  integer        NOT NULL
);

-- The bookkeeping of the application's migrations, in the same schema as the business's tables. It has no last_updated, so a program that
-- reads "every table" by that column fails here.
CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                   varchar(36)   PRIMARY KEY,
    checksum             varchar(64)   NOT NULL,
    finished_at          timestamptz,
    migration_name       varchar(255)  NOT NULL,
    logs                 text,
    rolled_back_at       timestamptz,
    started_at           timestamptz   NOT NULL DEFAULT now(),
    applied_steps_count  integer       NOT NULL DEFAULT 0
);

INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, logs, rolled_back_at, started_at, applied_steps_count)
SELECT md5(name)::uuid::text, encode(sha256(name::bytea), 'hex'), at + interval '120 milliseconds', name, NULL, NULL, at, 1
FROM (VALUES
    ('20221103101500_init', timestamptz '2022-11-03 14:20:31+00'),
    ('20221103113000_agreed_dates_as_text', timestamptz '2022-11-03 14:20:32+00'),
    ('20221103134500_one_payment_per_transaction', timestamptz '2022-11-03 14:20:33+00')
) AS migration (name, at)
ON CONFLICT DO NOTHING;
