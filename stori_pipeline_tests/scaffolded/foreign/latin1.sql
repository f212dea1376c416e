-- In LATIN1: umlauts in names, keys, values and documents.
CREATE TABLE "Straße" ("Schlüssel" varchar(40) PRIMARY KEY, "Länge" numeric, "Bemerkung" text, "Größen" text[]);
CREATE TABLE "Umsätze" ("Straße" varchar(40), "Tag" date, "Betrag" money, dokument jsonb, PRIMARY KEY ("Straße", "Tag"));
INSERT INTO "Straße" SELECT CASE WHEN n % 3 = 0 THEN 'Straße ' WHEN n % 3 = 1 THEN 'Ähre ' ELSE 'Weg ' END || n, n / 7.0,
  NULLIF('Größe ' || n % 5 || ' ½ÿ', 'Größe 0 ½ÿ'), ARRAY['é', 'ß'] FROM generate_series(1, 1500) n;
INSERT INTO "Umsätze" SELECT "Schlüssel", DATE '2024-01-01' + n, n::money, jsonb_build_object('ü', "Schlüssel", 'n', n)
  FROM "Straße", generate_series(1, 2) n;

-- Then:
DELETE FROM "Straße" WHERE "Schlüssel" LIKE 'Ähre%5';
UPDATE "Straße" SET "Bemerkung" = 'geändert: ¡ñ!' WHERE "Schlüssel" LIKE 'Straße%2';
INSERT INTO "Straße" VALUES ('Größenwahn', NULL, '', '{}'), ('straße 3', 0, NULL, NULL);
UPDATE "Umsätze" SET dokument = '{"ö": ["ä", null]}' WHERE "Tag" = '2024-01-02' AND "Straße" LIKE '%1';
DELETE FROM "Umsätze" WHERE "Straße" LIKE 'Weg%7';
