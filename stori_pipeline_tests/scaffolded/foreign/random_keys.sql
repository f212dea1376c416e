-- Keys that are random over the whole of their type, its ends among them.
CREATE FUNCTION random64(n bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$ SELECT ('x' || left(md5(n::text), 16))::bit(64)::bigint $$;
CREATE TABLE events (id bigint PRIMARY KEY, note text);
CREATE TABLE halves (id int PRIMARY KEY, note text);
CREATE TABLE pairs (a bigint, b bigint, note text, PRIMARY KEY (a, b));
INSERT INTO events SELECT random64(n), 'event ' || n FROM generate_series(1, 6000) n;
INSERT INTO events VALUES (-9223372036854775808, 'first'), (9223372036854775807, 'last'), (0, NULL), (-1, ''), (5000000000000000000, 'x');
INSERT INTO halves SELECT (n * 1000000)::int, 'half ' || n FROM generate_series(-1500, 1500) n;
INSERT INTO halves VALUES (-2147483648, 'first'), (2147483647, 'last');
INSERT INTO pairs SELECT random64(n), random64(-n), 'pair ' || n FROM generate_series(1, 2000) n;

-- Then:
DELETE FROM events WHERE id = ANY (SELECT random64(n) FROM generate_series(1, 6000, 97) n) OR id IN (9223372036854775807, 0);
UPDATE events SET note = 'changed' WHERE id = ANY (SELECT random64(n) FROM generate_series(2, 6000, 101) n) OR id = -9223372036854775808;
INSERT INTO events SELECT random64(n), 'later' FROM generate_series(7000, 7100) n;
DELETE FROM halves WHERE id IN (-2147483648, 0, 1500000000);
UPDATE halves SET note = NULL WHERE id % 7 = 0;
DELETE FROM pairs WHERE a < -9000000000000000000;
