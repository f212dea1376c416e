"""The catalog and the system tables in a query: which are forwarded, which are replaced by a view, and which are refused.

Belongs here: names of relations. Does not belong here: the queries that use them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from redshift_local.sql.refusals import unsupported

CATALOG_SCHEMAS = ("pg_catalog", "information_schema", "redshift_local")
OWN_VIEWS = ("pg_table_def", "svv_table_info", "svv_columns", "svv_tables", "svv_relation_privileges")
"""Redshift's system views that `database/tables.sql` creates in the schema `redshift_local`."""
SYSTEM_PREFIXES = ("stl_", "stv_", "svl_", "svv_", "svcs_", "sys_")


def _tables(tree: Any) -> Iterator[Any]:
    """The tables of a query, without the names of CTEs."""
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    return (table for table in tree.find_all(exp.Table) if table.db or table.name.lower() not in ctes)


def reads_only_catalog(tree: Any) -> bool:
    """Whether a query reads only PostgreSQL's catalog. psql and drivers send such queries, and they are forwarded unchanged."""
    tables = list(_tables(tree))
    if not isinstance(tree, exp.Query) or not tables:
        return False
    return all(table.db.lower() in CATALOG_SCHEMAS or (not table.db and table.name.lower().startswith("pg_")) for table in tables)


def point_at_own_views(tree: Any) -> bool:
    """Replace Redshift's system views by those in `redshift_local`; returns whether any was replaced.

    Raises:
        RedshiftError: 0A000 for a system table that the local Redshift does not have.
    """
    changed = False
    for table in _tables(tree):
        name, schema = table.name.lower(), table.db.lower()
        if name in OWN_VIEWS and schema in ("", "pg_catalog"):
            view = name
        elif (schema, name) == ("information_schema", "columns"):
            view = "columns"
        elif schema in ("", "pg_catalog") and name.startswith(SYSTEM_PREFIXES):
            raise unsupported(f"the system table {name}")
        else:
            continue
        table.set("this", exp.to_identifier(view))
        table.set("db", exp.to_identifier("redshift_local"))
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
        changed = True
    return changed
