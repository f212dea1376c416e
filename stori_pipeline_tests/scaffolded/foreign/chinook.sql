-- Of Chinook's shape: mixed case without blanks, numeric(10,2), a composite key, a self reference, naive timestamps.
CREATE TABLE "Artist" ("ArtistId" int PRIMARY KEY, "Name" varchar(120));
CREATE TABLE "Album" ("AlbumId" int PRIMARY KEY, "Title" varchar(160) NOT NULL, "ArtistId" int NOT NULL REFERENCES "Artist");
CREATE TABLE "Track" (
  "TrackId" int PRIMARY KEY, "Name" varchar(200) NOT NULL, "AlbumId" int REFERENCES "Album", "Composer" varchar(220),
  "Milliseconds" int NOT NULL, "Bytes" bigint, "UnitPrice" numeric(10, 2) NOT NULL);
CREATE TABLE "PlaylistTrack" ("PlaylistId" int, "TrackId" int REFERENCES "Track", PRIMARY KEY ("PlaylistId", "TrackId"));
CREATE TABLE "Employee" (
  "EmployeeId" int PRIMARY KEY, "LastName" varchar(20) NOT NULL, "ReportsTo" int REFERENCES "Employee", "HireDate" timestamp);
CREATE TABLE "Invoice" ("InvoiceId" int PRIMARY KEY, "InvoiceDate" timestamp NOT NULL, "BillingState" varchar(40), "Total" numeric(10, 2) NOT NULL);

INSERT INTO "Artist" SELECT n, NULLIF('Artist żółć ' || n, 'Artist żółć 13') FROM generate_series(1, 120) n;
INSERT INTO "Album" SELECT n, 'Album "' || n || '"', 1 + n % 120 FROM generate_series(1, 300) n;
INSERT INTO "Track" SELECT n, 'Track ' || n, 1 + n % 300, CASE WHEN n % 3 = 0 THEN 'AC/DC, ' || md5(n::text) END, n * 1000,
  n * 3000000000, CASE WHEN n % 10 = 0 THEN 1.99 ELSE 0.99 END FROM generate_series(1, 3500) n;
INSERT INTO "PlaylistTrack" SELECT p, t FROM generate_series(1, 18) p, generate_series(1, 200) t WHERE (p + t) % 3 = 0;
INSERT INTO "Employee" SELECT n, 'Name ' || n, NULLIF(n / 3, 0), TIMESTAMP '2002-08-14' + n * INTERVAL '1 month' FROM generate_series(1, 8) n;
INSERT INTO "Invoice" SELECT n, TIMESTAMP '2009-01-01' + n * INTERVAL '3 hours', NULLIF('ST', left(n::text, 2)), n * 0.99 FROM generate_series(1, 412) n;

-- Then:
UPDATE "Track" SET "UnitPrice" = 2.49, "Composer" = NULL WHERE "TrackId" % 500 = 0;
DELETE FROM "PlaylistTrack" WHERE "TrackId" % 7 = 0;
DELETE FROM "Track" WHERE "TrackId" > 3400;
INSERT INTO "Track" VALUES (5000, 'backslash \ and tab	in a name', NULL, '\N', 1, -9223372036854775808, 99999999.99);
UPDATE "Artist" SET "ArtistId" = 1000 WHERE "ArtistId" = 120 AND NOT EXISTS (SELECT FROM "Album" WHERE "ArtistId" = 120);
INSERT INTO "Artist" VALUES (500, ''), (501, NULL);
UPDATE "Employee" SET "HireDate" = NULL WHERE "EmployeeId" = 8;
INSERT INTO "Invoice" VALUES (1000, '0001-01-01', '', -0.01);
