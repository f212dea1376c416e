-- Redshift's functions that return something else than PostgreSQL's. Applied after schema.sql; each statement can run again.
--
-- Belongs here: the functions that rewritten statements call. Does not belong here: tables and views (tables.sql).
-- A function that PostgreSQL can inline is written as one RETURN, because an inlined call costs nothing per row.

-- Session

CREATE OR REPLACE FUNCTION redshift_local.version() RETURNS text LANGUAGE sql STABLE
RETURN 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.0 (local)';

CREATE OR REPLACE FUNCTION redshift_local.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('redshift_local.last_copy_count', true), ''), '0')::bigint;

CREATE OR REPLACE FUNCTION redshift_local.pg_last_copy_id() RETURNS bigint LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('redshift_local.last_copy_id', true), ''), '0')::bigint;

-- Text

CREATE OR REPLACE FUNCTION redshift_local.len(value text) RETURNS integer LANGUAGE sql IMMUTABLE RETURN pg_catalog.length(value);
CREATE OR REPLACE FUNCTION redshift_local.len(value bpchar) RETURNS integer LANGUAGE sql IMMUTABLE RETURN pg_catalog.length(value);
CREATE OR REPLACE FUNCTION redshift_local.len(value bytea) RETURNS integer LANGUAGE sql IMMUTABLE RETURN pg_catalog.octet_length(value);

-- Text is compared by its bytes (locale C). In that locale only ASCII letters have an upper and a lower case, hence the collation here.
CREATE OR REPLACE FUNCTION redshift_local.lower(value text) RETURNS text LANGUAGE sql IMMUTABLE RETURN pg_catalog.lower(value COLLATE pg_c_utf8);
CREATE OR REPLACE FUNCTION redshift_local.upper(value text) RETURNS text LANGUAGE sql IMMUTABLE RETURN pg_catalog.upper(value COLLATE pg_c_utf8);
CREATE OR REPLACE FUNCTION redshift_local.initcap(value text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN pg_catalog.initcap(value COLLATE pg_c_utf8);

-- The longest prefix of `value` that has at most `bytes` bytes and does not split a character.
CREATE OR REPLACE FUNCTION redshift_local.cut(value text, bytes integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE kept integer := least(length(value), bytes);
BEGIN
  WHILE octet_length(left(value, kept)) > bytes LOOP
    kept := kept - greatest(1, (octet_length(left(value, kept)) - bytes) / 4);
  END LOOP;
  RETURN left(value, kept);
END $$;

-- CAST(... AS VARCHAR(n)) truncates. CAST(... AS VARCHAR) raises an error for a long value, see casts.py. One pair of functions per type.
CREATE OR REPLACE FUNCTION redshift_local.as_text(value text) RETURNS text LANGUAGE sql IMMUTABLE RETURN value;
CREATE OR REPLACE FUNCTION redshift_local.as_text(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN jsonb_typeof(value) IN ('object', 'array')
  THEN redshift_local.refused(value::text, 'not supported by the local Redshift: a cast of a SUPER object or array to VARCHAR; use JSON_SERIALIZE')
  ELSE value #>> '{}' END;

CREATE OR REPLACE FUNCTION redshift_local.varchar(value text, bytes integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN octet_length(value) <= bytes THEN value ELSE redshift_local.cut(value, bytes) END;
CREATE OR REPLACE FUNCTION redshift_local.varchar(value text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN octet_length(value) > 256
  THEN redshift_local.refused(value, 'not supported by the local Redshift: a cast to VARCHAR without a length of a value over 256 bytes; write VARCHAR(n)')
  ELSE value END;
CREATE OR REPLACE FUNCTION redshift_local.varchar(value jsonb, bytes integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN redshift_local.varchar(redshift_local.as_text(value), bytes);
CREATE OR REPLACE FUNCTION redshift_local.varchar(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE
RETURN redshift_local.varchar(redshift_local.as_text(value));

-- Numbers and instants are never truncated: a text that is too long is an error.
CREATE OR REPLACE FUNCTION redshift_local.whole(value text, bytes integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN octet_length(value) > bytes THEN redshift_local.refused(value, 'Value too long for character type', '22001') ELSE value END;

DO $$
DECLARE kind text;
BEGIN
  FOREACH kind IN ARRAY ARRAY['smallint','integer','bigint','numeric','real','double precision','date','time','timetz','timestamp','timestamptz'] LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.varchar(value %s, bytes integer) RETURNS text LANGUAGE sql STABLE
      RETURN redshift_local.whole(value::text, bytes)', kind);
    EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.varchar(value %s) RETURNS text LANGUAGE sql STABLE RETURN value::text', kind);
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.varchar(value boolean, bytes integer DEFAULT 0) RETURNS text LANGUAGE sql IMMUTABLE
RETURN redshift_local.refused(value::text, 'cannot cast type boolean to character varying', '42846');

CREATE OR REPLACE FUNCTION redshift_local.split_part(value text, delimiter text, part bigint) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN part < 1 THEN redshift_local.refused(part::text, 'field position must be greater than zero', '22023')
  ELSE pg_catalog.split_part(value, delimiter, part::integer) END;

-- Redshift replaces every match. In a replacement, Redshift writes a group as $1 and PostgreSQL as \1; both are refused.
CREATE OR REPLACE FUNCTION redshift_local.regexp_replace(value text, pattern text, replacement text DEFAULT '') RETURNS text
LANGUAGE sql IMMUTABLE
RETURN pg_catalog.regexp_replace(value, pattern,
  CASE WHEN strpos(replacement, E'\\') > 0 OR strpos(replacement, '$') > 0
    THEN redshift_local.refused(replacement, 'not supported by the local Redshift: a dollar or a backslash in the replacement of REGEXP_REPLACE')
    ELSE replacement END, 'g');

CREATE OR REPLACE FUNCTION redshift_local.regexp_substr(value text, pattern text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN value IS NOT NULL AND pattern IS NOT NULL THEN coalesce(pg_catalog.regexp_substr(value, pattern), '') END;

CREATE OR REPLACE FUNCTION redshift_local.sha2(value text, bits integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE bits
  WHEN 0 THEN encode(sha256(convert_to(value, 'UTF8')), 'hex') WHEN 256 THEN encode(sha256(convert_to(value, 'UTF8')), 'hex')
  WHEN 224 THEN encode(sha224(convert_to(value, 'UTF8')), 'hex') WHEN 384 THEN encode(sha384(convert_to(value, 'UTF8')), 'hex')
  WHEN 512 THEN encode(sha512(convert_to(value, 'UTF8')), 'hex') END;

CREATE OR REPLACE FUNCTION redshift_local.listagg(aggregated text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN octet_length(aggregated) > 65535 THEN redshift_local.refused(aggregated, 'Result size exceeds LISTAGG limit', '54000') ELSE aggregated END;

-- An error unless the whole text is a number in that base. `value` occurs only once, so that PostgreSQL inlines the call even if the
-- argument is costly.
CREATE OR REPLACE FUNCTION redshift_local.strtol(value text, base integer) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN (CASE base WHEN 16 THEN '0x' WHEN 2 THEN '0b' WHEN 8 THEN '0o' WHEN 10 THEN ''
  ELSE redshift_local.refused(base::text, 'not supported by the local Redshift: STRTOL with a base other than 2, 8, 10 and 16') END || value)::bigint;

-- VARBYTE

CREATE OR REPLACE FUNCTION redshift_local.varbyte(value text, bytes integer) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN substring(convert_to(value, 'UTF8') FROM 1 FOR bytes);
CREATE OR REPLACE FUNCTION redshift_local.varbyte(value bytea, bytes integer) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN substring(value FROM 1 FOR bytes);

CREATE OR REPLACE FUNCTION redshift_local.to_varbyte(value text, format text) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN CASE lower(format) WHEN 'utf8' THEN convert_to(value, 'UTF8') WHEN 'utf-8' THEN convert_to(value, 'UTF8')
  WHEN 'hex' THEN decode(value, 'hex') WHEN 'base64' THEN decode(value, 'base64')
  ELSE convert_to(redshift_local.refused(format, 'not supported by the local Redshift: TO_VARBYTE in this format'), 'UTF8') END;
CREATE OR REPLACE FUNCTION redshift_local.from_varbyte(value bytea, format text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE lower(format) WHEN 'utf8' THEN convert_from(value, 'UTF8') WHEN 'utf-8' THEN convert_from(value, 'UTF8')
  WHEN 'hex' THEN encode(value, 'hex') WHEN 'base64' THEN translate(encode(value, 'base64'), chr(10), '')
  ELSE redshift_local.refused(format, 'not supported by the local Redshift: FROM_VARBYTE in this format') END;

-- SUPER, kept as jsonb

CREATE OR REPLACE FUNCTION redshift_local.json_parse(value text) RETURNS jsonb LANGUAGE sql IMMUTABLE RETURN value::jsonb;
CREATE OR REPLACE FUNCTION redshift_local.json_parse(value bytea) RETURNS jsonb LANGUAGE sql IMMUTABLE RETURN convert_from(value, 'UTF8')::jsonb;

-- jsonb prints a blank after each comma and colon outside strings; strings are matched first, so nothing inside them changes.
CREATE OR REPLACE FUNCTION redshift_local.json_serialize(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE
RETURN pg_catalog.regexp_replace(value::text, E'("(?:[^"\\\\]|\\\\.)*")|([,:]) ', E'\\1\\2', 'g');

CREATE OR REPLACE FUNCTION redshift_local.json_typeof(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE RETURN jsonb_typeof(value);
CREATE OR REPLACE FUNCTION redshift_local.is_valid_json(value text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN value IS JSON;
CREATE OR REPLACE FUNCTION redshift_local.can_json_parse(value text) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN CASE WHEN value IS NULL THEN false ELSE pg_input_is_valid(value, 'jsonb') END;
CREATE OR REPLACE FUNCTION redshift_local.get_array_length(value jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN CASE WHEN jsonb_typeof(value) = 'array' THEN jsonb_array_length(value)::bigint END;

-- Navigation of a SUPER. A missing key or index is NULL.
CREATE OR REPLACE FUNCTION redshift_local.get(value jsonb, step text) RETURNS jsonb LANGUAGE sql IMMUTABLE RETURN value -> step;
CREATE OR REPLACE FUNCTION redshift_local.get(value jsonb, step integer) RETURNS jsonb LANGUAGE sql IMMUTABLE RETURN value -> step;

CREATE OR REPLACE FUNCTION redshift_local.to_super(value anyelement) RETURNS jsonb LANGUAGE sql STABLE AS $$ SELECT to_jsonb(value) $$;

-- Numbers

-- The second argument is the lowest of the averaged values. It has their type and scale, to which the average is truncated.
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, lowest smallint) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN pg_catalog.trunc(average)::bigint;
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, lowest integer) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN pg_catalog.trunc(average)::bigint;
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, lowest bigint) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN pg_catalog.trunc(average)::bigint;
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, lowest numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN pg_catalog.trunc(average, scale(lowest));
CREATE OR REPLACE FUNCTION redshift_local.avg(average double precision, lowest double precision) RETURNS double precision LANGUAGE sql IMMUTABLE
RETURN average;

CREATE OR REPLACE FUNCTION redshift_local.trunc(value numeric) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN pg_catalog.trunc(value);
CREATE OR REPLACE FUNCTION redshift_local.trunc(value numeric, places integer) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN pg_catalog.trunc(value, places);
CREATE OR REPLACE FUNCTION redshift_local.trunc(value double precision) RETURNS double precision LANGUAGE sql IMMUTABLE RETURN pg_catalog.trunc(value);
CREATE OR REPLACE FUNCTION redshift_local.trunc(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE RETURN value::date;

-- Dates and instants

CREATE OR REPLACE FUNCTION redshift_local.getdate() RETURNS timestamp LANGUAGE sql STABLE
RETURN pg_catalog.date_trunc('second', statement_timestamp()::timestamp);
CREATE OR REPLACE FUNCTION redshift_local.sysdate() RETURNS timestamp LANGUAGE sql STABLE RETURN transaction_timestamp()::timestamp;

-- PostgreSQL's name of a date part, from every name that Redshift accepts. Only parts that mean the same in both are listed.
CREATE OR REPLACE FUNCTION redshift_local.part(word text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN CASE
    WHEN word IN ('millennium', 'millennia', 'mil', 'mils') THEN 'millennium'
    WHEN word IN ('century', 'centuries', 'c', 'cent', 'cents') THEN 'century'
    WHEN word IN ('decade', 'decades', 'dec', 'decs') THEN 'decade'
    WHEN word IN ('year', 'years', 'y', 'yr', 'yrs') THEN 'year'
    WHEN word IN ('quarter', 'quarters', 'qtr', 'qtrs') THEN 'quarter'
    WHEN word IN ('month', 'months', 'mon', 'mons') THEN 'month'
    WHEN word IN ('week', 'weeks', 'w') THEN 'week'
    WHEN word IN ('day', 'days', 'd') THEN 'day'
    WHEN word IN ('dayofweek', 'dow', 'dw', 'weekday') THEN 'dow'
    WHEN word IN ('dayofyear', 'doy', 'dy', 'yearday') THEN 'doy'
    WHEN word IN ('hour', 'hours', 'h', 'hr', 'hrs') THEN 'hour'
    WHEN word IN ('minute', 'minutes', 'm', 'min', 'mins') THEN 'minute'
    WHEN word IN ('second', 'seconds', 's', 'sec', 'secs') THEN 'second'
    WHEN word IN ('millisecond', 'milliseconds', 'ms', 'msec', 'msecs', 'msecond', 'mseconds', 'millisec', 'millisecs', 'millisecon') THEN 'milliseconds'
    WHEN word IN ('microsecond', 'microseconds', 'microsec', 'microsecs', 'usec', 'usecs', 'usecond', 'useconds', 'us') THEN 'microseconds'
    WHEN word = 'epoch' THEN 'epoch'
    ELSE redshift_local.refused(word, pg_catalog.format('unknown date part "%s"', word), '22023') END;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.date_trunc(word text, value timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE
RETURN pg_catalog.date_trunc(redshift_local.part(word), value);
CREATE OR REPLACE FUNCTION redshift_local.date_trunc(word text, value timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
RETURN pg_catalog.date_trunc(redshift_local.part(word), value);
CREATE OR REPLACE FUNCTION redshift_local.date_trunc(word text, value date) RETURNS timestamp LANGUAGE sql IMMUTABLE
RETURN pg_catalog.date_trunc(redshift_local.part(word), value::timestamp);

-- EXTRACT returns integers on Redshift: seconds have no fraction.
CREATE OR REPLACE FUNCTION redshift_local.extract(word text, value timestamp) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN floor(pg_catalog.extract(word, value))::bigint;
CREATE OR REPLACE FUNCTION redshift_local.extract(word text, value timestamptz) RETURNS bigint LANGUAGE sql STABLE
RETURN floor(pg_catalog.extract(word, value))::bigint;
CREATE OR REPLACE FUNCTION redshift_local.extract(word text, value date) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN floor(pg_catalog.extract(word, value::timestamp))::bigint;

CREATE OR REPLACE FUNCTION redshift_local.whole_part(word text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN redshift_local.part(word) IN ('milliseconds', 'microseconds', 'millennium', 'century', 'decade')
  THEN redshift_local.refused(word, pg_catalog.format('not supported by the local Redshift: DATE_PART(%s, ...)', word)) ELSE redshift_local.part(word) END;
CREATE OR REPLACE FUNCTION redshift_local.date_part(word text, value timestamp) RETURNS double precision LANGUAGE sql IMMUTABLE
RETURN floor(pg_catalog.extract(redshift_local.whole_part(word), value));
CREATE OR REPLACE FUNCTION redshift_local.date_part(word text, value timestamptz) RETURNS double precision LANGUAGE sql STABLE
RETURN floor(pg_catalog.extract(redshift_local.whole_part(word), value));
CREATE OR REPLACE FUNCTION redshift_local.date_part(word text, value date) RETURNS double precision LANGUAGE sql IMMUTABLE
RETURN floor(pg_catalog.extract(redshift_local.whole_part(word), value::timestamp));

CREATE OR REPLACE FUNCTION redshift_local.step(word text, many bigint) RETURNS interval LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE unit text := redshift_local.part(word);
BEGIN
  IF unit IN ('dow', 'doy', 'epoch') THEN
    PERFORM redshift_local.fail(pg_catalog.format('date part "%s" not supported', word), '22023');
  ELSIF unit = 'quarter' THEN
    RETURN many * interval '3 months';
  END IF;
  RETURN many * ('1 ' || unit)::interval;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.dateadd(word text, many bigint, value timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE
RETURN value + redshift_local.step(word, many);
CREATE OR REPLACE FUNCTION redshift_local.dateadd(word text, many bigint, value timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
RETURN value + redshift_local.step(word, many);
CREATE OR REPLACE FUNCTION redshift_local.dateadd(word text, many bigint, value date) RETURNS timestamp LANGUAGE sql IMMUTABLE
RETURN value::timestamp + redshift_local.step(word, many);

-- The number of boundaries of the part between the two values, not the elapsed time.
CREATE OR REPLACE FUNCTION redshift_local.datediff(word text, since timestamp, until timestamp) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  unit text := redshift_local.part(word);
  years bigint := pg_catalog.extract('year', until) - pg_catalog.extract('year', since);
  months bigint := years * 12 + pg_catalog.extract('month', until) - pg_catalog.extract('month', since);
  per_second bigint := CASE unit WHEN 'milliseconds' THEN 1000 WHEN 'microseconds' THEN 1000000 END;
BEGIN
  CASE unit
    WHEN 'year' THEN RETURN years;
    WHEN 'quarter' THEN RETURN years * 4 + pg_catalog.extract('quarter', until) - pg_catalog.extract('quarter', since);
    WHEN 'month' THEN RETURN months;
    WHEN 'day' THEN RETURN until::date - since::date;
    WHEN 'hour', 'minute', 'second' THEN
      RETURN (pg_catalog.extract('epoch', pg_catalog.date_trunc(unit, until)) - pg_catalog.extract('epoch', pg_catalog.date_trunc(unit, since)))
        / CASE unit WHEN 'hour' THEN 3600 WHEN 'minute' THEN 60 ELSE 1 END;
    WHEN 'milliseconds', 'microseconds' THEN
      RETURN floor(pg_catalog.extract('epoch', until) * per_second) - floor(pg_catalog.extract('epoch', since) * per_second);
    ELSE PERFORM redshift_local.fail(pg_catalog.format('not supported by the local Redshift: DATEDIFF(%s, ...)', word));
  END CASE;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.datediff(word text, since timestamptz, until timestamptz) RETURNS bigint LANGUAGE sql STABLE
RETURN redshift_local.datediff(word, since::timestamp, until::timestamp);
CREATE OR REPLACE FUNCTION redshift_local.datediff(word text, since date, until date) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN redshift_local.datediff(word, since::timestamp, until::timestamp);

CREATE OR REPLACE FUNCTION redshift_local.last_day(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE
RETURN (pg_catalog.date_trunc('month', value) + interval '1 month' - interval '1 day')::date;

-- The last day of a month stays the last day.
CREATE OR REPLACE FUNCTION redshift_local.add_months(value timestamp, many bigint) RETURNS timestamp LANGUAGE sql IMMUTABLE
RETURN CASE WHEN value::date = redshift_local.last_day(value)
  THEN redshift_local.last_day(value + many * interval '1 month') + value::time ELSE value + many * interval '1 month' END;

CREATE OR REPLACE FUNCTION redshift_local.convert_timezone(zone text, value timestamp) RETURNS timestamp LANGUAGE sql STABLE
RETURN (value AT TIME ZONE 'UTC') AT TIME ZONE zone;
CREATE OR REPLACE FUNCTION redshift_local.convert_timezone(from_zone text, zone text, value timestamp) RETURNS timestamp LANGUAGE sql STABLE
RETURN (value AT TIME ZONE from_zone) AT TIME ZONE zone;
