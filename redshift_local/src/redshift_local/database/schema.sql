-- The schema of the local Redshift's own functions and views, and what every session finds set. Applied first.
--
-- Belongs here: what functions and tables stand on. Does not belong here: any function of Redshift's (functions.sql).
-- Everything is called by its full name, so no client's search_path matters.

SET client_min_messages = warning;

-- A database that an earlier version prepared has the schema by another name. Views, defaults and checks follow a renaming.
DO $$
BEGIN
  IF to_regnamespace('stori_local') IS NOT NULL AND to_regnamespace('redshift_local') IS NULL THEN
    DROP EVENT TRIGGER IF EXISTS stori_local_after_ddl;
    ALTER SCHEMA stori_local RENAME TO redshift_local;
  END IF;
END $$;

CREATE SCHEMA IF NOT EXISTS redshift_local;
GRANT USAGE ON SCHEMA redshift_local TO PUBLIC;

-- A cluster's defaults. Redshift reads backslash escapes in every string literal; its drivers quote by what the server reports.
DO $$
BEGIN
  EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database());
  EXECUTE format('ALTER DATABASE %I SET escape_string_warning = off', current_database());
  EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), 'UTC');
END $$;

CREATE OR REPLACE FUNCTION redshift_local.fail(message text, code text DEFAULT '0A000') RETURNS void
LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message; END $$;

-- Raised from within an expression: a value that never comes. IMMUTABLE, since PostgreSQL inlines no function that calls one that is not;
-- `about`, the value at fault, is what keeps the planner from working the call out before there are rows.
CREATE OR REPLACE FUNCTION redshift_local.refused(about text, message text, code text DEFAULT '0A000') RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message; END $$;
