CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, joined date);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, amount numeric(12, 2) NOT NULL, ordered_at timestamptz NOT NULL);
INSERT INTO customers VALUES (1, 'Ada', '2026-01-05'), (2, 'Grace', NULL), (3, 'Edsger', '2026-03-01');
INSERT INTO orders VALUES
  (10, 1, 12.50, '2026-02-01 09:00:00+00'),
  (11, 1, 7.25, '2026-02-03 17:30:00+00'),
  (12, 2, 100.00, '2026-02-04 08:15:00+00');
GRANT SELECT ON customers, orders TO reader;
