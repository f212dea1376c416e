-- Of Pagila's shape: a domain, an enum, arrays, tsvector, char(n), timestamps with a zone, partitions by month, views, a materialized view.
CREATE TYPE mpaa_rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');
CREATE DOMAIN year AS integer CHECK (VALUE BETWEEN 1901 AND 2155);
CREATE DOMAIN id64 AS bigint NOT NULL;
CREATE TABLE language (language_id serial PRIMARY KEY, name char(20) NOT NULL, last_update timestamptz NOT NULL DEFAULT '2022-02-15 10:02:19+00');
CREATE TABLE film (
  film_id id64 PRIMARY KEY, title text NOT NULL, release_year year, language_id int REFERENCES language, length smallint,
  rental_rate numeric(4, 2) NOT NULL DEFAULT 4.99, rating mpaa_rating DEFAULT 'G', last_update timestamptz NOT NULL DEFAULT now(),
  special_features text[], fulltext tsvector NOT NULL, extras jsonb);
CREATE TABLE film_actor (actor_id int, film_id bigint REFERENCES film, last_update timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (actor_id, film_id));
CREATE TABLE staff (staff_id serial PRIMARY KEY, email text, active boolean DEFAULT true NOT NULL, picture bytea, shift int4range, at interval);
CREATE TABLE payment (
  payment_id int NOT NULL, amount numeric(5, 2) NOT NULL, payment_date timestamptz NOT NULL, PRIMARY KEY (payment_date, payment_id)
) PARTITION BY RANGE (payment_date);
CREATE TABLE payment_p2022_01 PARTITION OF payment FOR VALUES FROM ('2022-01-01 00:00+00') TO ('2022-02-01 00:00+00');
CREATE TABLE payment_p2022_02 PARTITION OF payment FOR VALUES FROM ('2022-02-01 00:00+00') TO ('2022-03-01 00:00+00');
CREATE TABLE payment_p2022_03 (LIKE payment INCLUDING ALL);
CREATE SCHEMA legacy;
CREATE TABLE legacy.address (address_id int PRIMARY KEY, address2 varchar(50), phones text[], located point);

INSERT INTO language (name) VALUES ('English'), ('Italiano'), ('日本語');
INSERT INTO film SELECT n, 'FILM ' || n, 1901 + n % 200, 1 + n % 3, n % 180, (n % 40) * 0.25, (enum_range(NULL::mpaa_rating))[1 + n % 5],
  TIMESTAMPTZ '2022-09-10 16:46:03.905795+02' + n * INTERVAL '1 second', (ARRAY['Trailers', 'Deleted "Scenes"', NULL])[1:n % 4],
  to_tsvector('simple', 'film ' || n || ' of ''quotes'''), jsonb_build_object('n', n, 'r', n / 3.0) FROM generate_series(1, 1000) n;
INSERT INTO film_actor SELECT a, f FROM generate_series(1, 50) a, generate_series(1, 20) f WHERE (a + f) % 2 = 0;
INSERT INTO staff (email, picture, shift, at) VALUES ('a@b.c', '\x89504e470d0a1a0a', '[8,16)', '1 mon 2 days 03:04:05.6'), (NULL, NULL, 'empty', NULL);
INSERT INTO payment SELECT n, n % 999 / 100.0, TIMESTAMPTZ '2022-01-01 00:00:00+00' + n * INTERVAL '40 minutes' FROM generate_series(1, 2000) n;
INSERT INTO payment_p2022_03 SELECT n, 1, TIMESTAMPTZ '2022-03-01 00:00:00+00' + n * INTERVAL '1 hour' FROM generate_series(1, 200) n;
INSERT INTO legacy.address VALUES (1, NULL, '{}', '(1.5,-2)'), (2, '', '{"030 1","+49"}', NULL);
CREATE VIEW film_list AS
  SELECT f.film_id AS fid, f.title, l.name AS language, count(a.actor_id) AS actors, string_agg(a.actor_id::text, ', ' ORDER BY a.actor_id) AS names
  FROM film f LEFT JOIN language l USING (language_id) LEFT JOIN film_actor a USING (film_id) GROUP BY f.film_id, f.title, l.name;
CREATE MATERIALIZED VIEW payments_by_day AS SELECT payment_date::date AS day, sum(amount) AS total FROM payment GROUP BY 1;
GRANT USAGE ON SCHEMA legacy TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA legacy TO reader;

-- Then:
ALTER TYPE mpaa_rating RENAME VALUE 'NC-17' TO 'X';
ALTER TABLE payment ATTACH PARTITION payment_p2022_03 FOR VALUES FROM ('2022-03-01 00:00+00') TO ('2022-04-01 00:00+00');
ALTER TABLE payment DETACH PARTITION payment_p2022_01;
DROP TABLE payment_p2022_01;
UPDATE payment SET amount = -999.99 WHERE payment_id % 100 = 0;
UPDATE film SET special_features = special_features || ARRAY['Commentaries'], fulltext = ''::tsvector WHERE film_id % 100 = 0;
DELETE FROM film WHERE film_id > 990;
INSERT INTO film (film_id, title, fulltext, extras) VALUES (-1, E'two\nlines', 'a:1 b:2', 'null');
UPDATE staff SET shift = NULL, at = '-178000000 years' WHERE staff_id = 2;
UPDATE legacy.address SET phones = ARRAY[['1', '2'], ['3', NULL]];
DELETE FROM film_actor WHERE actor_id = 7;
REFRESH MATERIALIZED VIEW payments_by_day;
