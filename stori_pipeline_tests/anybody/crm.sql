-- A database as strangers have it: two schemas, mixed case, blanks, reserved words, composite keys, a partitioned table, views, enums,
-- arrays, domains, a table without a key, and texts without a limit.
CREATE SCHEMA "Sales Data";
CREATE SCHEMA hr;

CREATE TYPE mood AS ENUM ('glad', 'sad', 'so-so');
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');

CREATE TABLE people (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    born date,
    mail email,
    feels mood DEFAULT 'so-so',
    tags text[],
    details jsonb,
    seen timestamptz DEFAULT now()
);
INSERT INTO people (name, born, mail, feels, tags, details) VALUES
    ('Ada', '1815-12-10', 'ada@example.org', 'glad', '{maths,"first, of all"}', '{"a": 1.50, "b": [true, null]}'),
    ('Grüße 世界', NULL, NULL, NULL, '{}', 'null'),
    ('', '0001-01-01', 'x@y', 'sad', NULL, '[]');

CREATE TABLE "Album" ("AlbumId" integer PRIMARY KEY, "Title" varchar(160) NOT NULL, "userId" integer, user_id integer, "UserID" text);
INSERT INTO "Album" VALUES (1, 'For Those About To Rock', 1, 2, '3'), (2, 'Ö''Neill "quoted"', NULL, NULL, NULL);

CREATE TABLE "Sales Data"."Order Details" (
    "Order ID" integer, "Line" smallint, "Unit Price" numeric(12, 4) NOT NULL, "select" boolean, discount real,
    PRIMARY KEY ("Order ID", "Line")
);
INSERT INTO "Sales Data"."Order Details" VALUES (1, 1, 9.9900, true, 0.1), (1, 2, -0.0001, NULL, 'NaN'), (2, 1, 12345678.1234, false, 1e-30);

CREATE TABLE "Sales Data".orders (id integer PRIMARY KEY, "from" text, placed timestamp NOT NULL, total numeric);
INSERT INTO "Sales Data".orders VALUES (1, 'web', '2024-02-29 12:00:00.123456', 10.000000000000000001), (2, NULL, '1970-01-01', 123456789012345678901);

CREATE TABLE hr.orders (code char(3) PRIMARY KEY, note varchar);
INSERT INTO hr.orders VALUES ('A', 'padded'), ('BCD', repeat('long ', 2000));

CREATE TABLE hr.staff (
    id uuid PRIMARY KEY, salary money, badge bytea, hours interval, shift time, shift_tz timetz, address inet, mac macaddr, level int4range, flags bit(8),
    bits bit varying, place point, words tsvector
);
INSERT INTO hr.staff VALUES (
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '-1234.50', '\\x00ff', '1 year 2 days 03:04:05.6', '23:59:59.999999', '12:00+02', '10.0.0.0/8', '08:00:2b:01:02:03',
    '[1,10)', '10101010', '1', '(1.5,-2)', 'a fat cat'
), (gen_random_uuid(), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE measurements (sensor integer, at timestamptz, value double precision, PRIMARY KEY (sensor, at)) PARTITION BY RANGE (at);
CREATE TABLE measurements_2023 PARTITION OF measurements FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE measurements_2024 PARTITION OF measurements FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO measurements SELECT n % 7, '2023-06-01'::timestamptz + n * interval '11 hours', n / 3.0 FROM generate_series(1, 500) AS n;

CREATE TABLE audit (happened timestamptz NOT NULL, what text, who text);  -- without a key
INSERT INTO audit VALUES ('2024-01-01', 'login', 'ada'), ('2024-01-01', 'login', 'ada'), ('2024-01-02', NULL, NULL);

CREATE TABLE countries (iso char(2) PRIMARY KEY, name text UNIQUE NOT NULL);
INSERT INTO countries VALUES ('DE', 'Germany'), ('GB', 'United Kingdom');

CREATE TABLE settings (key text PRIMARY KEY, value json, updated_at timestamptz);
INSERT INTO settings VALUES ('theme', '{"dark":true}', now()), ('empty', NULL, NULL);

CREATE TABLE "größe" ("Länge" integer PRIMARY KEY, "Maß" numeric(3, 5), wide numeric(38, 0), negative numeric(5, -2));
INSERT INTO "größe" VALUES (1, 0.00123, 99999999999999999999999999999999999999, 12345), (2, NULL, NULL, NULL);

CREATE TABLE empty_table (id serial PRIMARY KEY, note text);

CREATE TABLE "_batch" (id integer PRIMARY KEY, _batch integer, _seq text, _deleted boolean, "table" text);
INSERT INTO "_batch" VALUES (1, 2, 'three', false, 'x');

CREATE TABLE friendships (a bigint REFERENCES people, b bigint REFERENCES people, since date, PRIMARY KEY (a, b));
INSERT INTO friendships VALUES (1, 2, '2020-01-01'), (2, 1, 'infinity');

CREATE TABLE unkeyed_but_unique (email text NOT NULL UNIQUE, joined date);
INSERT INTO unkeyed_but_unique VALUES ('a@b', '2024-01-01');

CREATE VIEW glad_people AS SELECT id, name FROM people WHERE feels = 'glad';
CREATE MATERIALIZED VIEW orders_by_source AS SELECT coalesce("from", '?') AS source, count(*) AS orders FROM "Sales Data".orders GROUP BY 1;
CREATE UNIQUE INDEX ON orders_by_source (source);
