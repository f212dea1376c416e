-- What tables need besides their declaration, and the system views that describe them. Applied last; each statement can run again.
--
-- Belongs here: lengths in bytes, ALTER COLUMN TYPE, system views. Does not belong here: functions that a statement may call (functions.sql).

-- ALTER COLUMN TYPE: Redshift only widens VARCHAR.
CREATE OR REPLACE PROCEDURE redshift_local.widen(relation text, column_name text, bytes integer) LANGUAGE plpgsql AS $$
DECLARE
  target record;
BEGIN
  SELECT a.atttypid::regtype::text AS type, a.atttypmod - 4 AS characters, a.atthasdef, EXISTS (
      SELECT FROM pg_constraint c WHERE c.conrelid = a.attrelid AND starts_with(c.conname, '_key_') AND c.conkey = ARRAY[a.attnum]) AS is_key
    INTO target
    FROM pg_attribute a WHERE a.attrelid = relation::regclass AND a.attname = column_name AND NOT a.attisdropped AND a.attnum > 0;
  IF NOT FOUND THEN
    PERFORM redshift_local.fail(pg_catalog.format('column "%s" of relation "%s" does not exist', column_name, relation), '42703');
  ELSIF target.type <> 'character varying' THEN
    PERFORM redshift_local.fail(pg_catalog.format('cannot alter type of column "%s": only the size of a VARCHAR column can be altered', column_name));
  ELSIF target.atthasdef THEN
    PERFORM redshift_local.fail(pg_catalog.format('cannot alter type of column "%s": it has a default', column_name));
  ELSIF target.is_key THEN
    PERFORM redshift_local.fail(pg_catalog.format('cannot alter type of column "%s": it is part of a key', column_name));
  ELSIF bytes < target.characters THEN
    PERFORM redshift_local.fail(pg_catalog.format('cannot reduce the size of column "%s" from %s to %s', column_name, target.characters, bytes));
  END IF;
  EXECUTE pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I TYPE varchar(%s)', relation::regclass, column_name, bytes);
  CALL redshift_local.hold_bytes(relation::regclass);
END $$;

-- The name of a CHECK on bytes. check_name in column_types.py returns the same name.
CREATE OR REPLACE FUNCTION redshift_local.check_name(kind text, column_name text, length integer) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  whole text := kind || '_' || column_name || '_' || length;
  digest text := lpad(to_hex(crc32(convert_to(column_name, 'UTF8'))), 8, '0');
BEGIN
  IF octet_length(whole) <= 63 THEN
    RETURN whole;
  END IF;
  RETURN kind || '_' || redshift_local.cut(column_name, 63 - octet_length(kind || '__' || digest || '_' || length)) || '_' || digest || '_' || length;
END $$;

-- Adds to every VARCHAR and CHAR column the CHECK on bytes that CREATE TABLE adds (column_types.py), and drops its outdated ones.
CREATE OR REPLACE PROCEDURE redshift_local.hold_bytes(relation regclass) LANGUAGE plpgsql AS $$
DECLARE
  target record;
  old name;
  wanted text;
BEGIN
  FOR target IN
    SELECT a.attnum, a.attname, a.atttypmod - 4 AS length, a.atttypid = 'varchar'::regtype AS varying
      FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
       AND a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4
  LOOP
    wanted := redshift_local.check_name(CASE WHEN target.varying THEN '_bytes' ELSE '_ascii' END, target.attname, target.length);
    CONTINUE WHEN EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = relation AND c.conname = wanted);
    FOR old IN SELECT c.conname FROM pg_constraint c WHERE c.conrelid = relation AND c.contype = 'c' AND c.conkey = ARRAY[target.attnum]
                  AND starts_with(c.conname, left(wanted, 7)) LOOP
      EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', relation, old);
    END LOOP;
    EXECUTE pg_catalog.format(
      CASE WHEN target.varying THEN 'ALTER TABLE %s ADD CONSTRAINT %I CHECK (octet_length(%3$I) <= %4$s OR octet_length(rtrim(%3$I)) <= %4$s)'
        ELSE 'ALTER TABLE %s ADD CONSTRAINT %I CHECK (octet_length(%3$I::text) = length(%3$I::text))' END,
      relation, wanted, target.attname, target.length);
  END LOOP;
END $$;

-- CREATE TABLE AS takes its columns from a query. They get their CHECKs after the statement.
CREATE OR REPLACE FUNCTION redshift_local.after_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made regclass;
BEGIN
  FOR made IN SELECT c.objid::regclass FROM pg_event_trigger_ddl_commands() c JOIN pg_class k ON k.oid = c.objid
               WHERE c.classid = 'pg_class'::regclass AND k.relkind = 'r' AND c.schema_name NOT IN ('pg_catalog', 'redshift_local') LOOP
    CALL redshift_local.hold_bytes(made);
  END LOOP;
END $$;
DROP EVENT TRIGGER IF EXISTS redshift_local_after_ddl;
CREATE EVENT TRIGGER redshift_local_after_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE AS') EXECUTE FUNCTION redshift_local.after_ddl();

-- Redshift's name for the type of a column.
CREATE OR REPLACE FUNCTION redshift_local.type_name(type oid, modifier integer, checked bigint) RETURNS text LANGUAGE sql STABLE
RETURN CASE type WHEN 'jsonb'::regtype THEN 'super'
  WHEN 'bytea'::regtype THEN 'binary varying' || coalesce('(' || checked || ')', '')
  ELSE pg_catalog.format_type(type, modifier) END;

CREATE OR REPLACE FUNCTION redshift_local.checked_bytes(relation oid, attribute smallint) RETURNS bigint LANGUAGE sql STABLE
RETURN (SELECT min(pg_catalog.regexp_substr(c.conname, '[0-9]+$')::bigint) FROM pg_catalog.pg_constraint c
         WHERE c.conrelid = relation AND c.contype = 'c' AND starts_with(c.conname, '_bytes_') AND c.conkey = ARRAY[attribute]);

-- Only tables on the search_path, as on a cluster. Encodings, distribution keys and sort keys are not stored, so their columns are empty.
CREATE OR REPLACE VIEW redshift_local.pg_table_def AS
SELECT n.nspname AS schemaname, k.relname AS tablename, a.attname AS "column",
       redshift_local.type_name(a.atttypid, a.atttypmod, redshift_local.checked_bytes(k.oid, a.attnum)) AS type,
       'none'::text AS encoding, false AS distkey, 0 AS sortkey, a.attnotnull AS "notnull"
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class k ON k.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
 WHERE k.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ANY (current_schemas(true)) AND n.nspname <> 'redshift_local'
 ORDER BY n.nspname, k.relname, a.attnum;
GRANT SELECT ON redshift_local.pg_table_def TO PUBLIC;

CREATE OR REPLACE VIEW redshift_local.columns AS
SELECT c.table_catalog, c.table_schema, c.table_name, c.column_name, c.ordinal_position, c.column_default, c.is_nullable,
       CASE c.data_type WHEN 'jsonb' THEN 'super' WHEN 'bytea' THEN 'binary varying' ELSE c.data_type END::text AS data_type,
       c.character_maximum_length, c.numeric_precision, c.numeric_precision_radix, c.numeric_scale, c.datetime_precision
  FROM information_schema.columns c WHERE c.table_schema <> 'redshift_local';
GRANT SELECT ON redshift_local.columns TO PUBLIC;

CREATE OR REPLACE VIEW redshift_local.svv_columns AS SELECT * FROM redshift_local.columns;
CREATE OR REPLACE VIEW redshift_local.svv_tables AS
SELECT table_catalog, table_schema, table_name, table_type, NULL::text AS remarks
  FROM information_schema.tables WHERE table_schema <> 'redshift_local';
CREATE OR REPLACE VIEW redshift_local.svv_table_info AS
SELECT current_database()::text AS database, n.nspname::text AS schema, k.oid AS table_id, k.relname::text AS "table",
       greatest(k.reltuples, 0)::numeric(38,0) AS tbl_rows, ceil(pg_table_size(k.oid) / 1048576.0)::bigint AS size
  FROM pg_catalog.pg_class k JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
 WHERE k.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'redshift_local') AND k.relpages > 0;
CREATE OR REPLACE VIEW redshift_local.svv_relation_privileges AS
SELECT n.nspname AS namespace_name, c.relname AS relation_name, acl.privilege_type, acl.grantee::integer AS identity_id,
       COALESCE(r.rolname, 'public') AS identity_name,
       CASE WHEN acl.grantee = 0 THEN 'public' WHEN r.rolcanlogin THEN 'user' ELSE 'group' END AS identity_type, acl.is_grantable AS admin_option
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) acl
LEFT JOIN pg_roles r ON r.oid = acl.grantee
WHERE c.relkind IN ('r', 'v') AND acl.grantee <> c.relowner AND acl.privilege_type IN ('INSERT', 'SELECT', 'UPDATE', 'DELETE', 'REFERENCES');
GRANT SELECT ON redshift_local.svv_columns, redshift_local.svv_tables, redshift_local.svv_table_info, redshift_local.svv_relation_privileges
  TO PUBLIC;
