CREATE TABLE rooms (id integer PRIMARY KEY, beds integer NOT NULL);
CREATE TABLE stays (id integer PRIMARY KEY, room_id integer NOT NULL, patient text NOT NULL, left_on date);
INSERT INTO rooms VALUES (1, 2), (2, 1);
INSERT INTO stays VALUES (1, 1, 'P-1', NULL), (2, 1, 'P-2', NULL), (3, 2, 'P-3', NULL), (4, 2, 'P-4', NULL), (5, 2, 'P-5', '2026-03-01');
GRANT SELECT ON rooms, stays TO reader;
