"""Trying the connection to a Postgres database, for `stori add source`.

Belongs here: what the source answers about itself. Does not belong here: its tables' columns (`introspect`).
"""

from __future__ import annotations

from stori_pipeline.readers.postgres.session import Address

_TABLES = """\
SELECT count(*) FILTER (WHERE has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')), count(*),
 string_agg(DISTINCT quote_ident(n.nspname), ', ' ORDER BY quote_ident(n.nspname)) FILTER (WHERE NOT has_schema_privilege(n.oid, 'USAGE'))
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
AND NOT (n.nspname LIKE 'pg\\_temp\\_%' OR n.nspname LIKE 'pg\\_toast\\_temp\\_%')"""


def describe(address: Address, source: str) -> str:
    """See `readers.Reader.describe`."""
    connection = address.connect()
    try:
        with address.errors(connection, source, "its tables"), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version'), current_database(), current_user")
            ((version, database, role),) = cursor.fetchall()
            cursor.execute(_TABLES)
            ((readable, tables, closed),) = cursor.fetchall()
    finally:
        connection.close()
    said = f"PostgreSQL {version}, database {database}: {role} may read {readable} of {tables} tables and views"
    return said + (f"; it lacks USAGE on the schema(s) {closed}" if closed else "")
