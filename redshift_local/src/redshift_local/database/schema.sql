-- The schema of the local Redshift's functions and views, and the settings of every session. Applied first.
--
-- Belongs here: what the other two files need. Does not belong here: Redshift's functions (functions.sql).
-- Statements use qualified names, so a client's search_path has no effect.

SET client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS redshift_local;
GRANT USAGE ON SCHEMA redshift_local TO PUBLIC;

-- A cluster's defaults. Redshift reads backslash escapes in every string literal, and drivers quote as the reported setting says.
DO $$
BEGIN
  EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database());
  EXECUTE format('ALTER DATABASE %I SET escape_string_warning = off', current_database());
  EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), 'UTC');
END $$;

CREATE OR REPLACE FUNCTION redshift_local.fail(message text, code text DEFAULT '0A000') RETURNS void
LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message; END $$;

-- Raises an error from within an expression. It is IMMUTABLE, because PostgreSQL inlines a function only if every function it calls is.
-- `about` is the wrong value; because of this argument, the planner does not evaluate the call before there are rows.
CREATE OR REPLACE FUNCTION redshift_local.refused(about text, message text, code text DEFAULT '0A000') RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message; END $$;
