"""Suggested definitions of a database's tables, and of columns that are missing in a definition.

Belongs here: which relations there are, and the key, the change strategy and the names of each, as a suggestion that a person can read.
Does not belong here: the types of its columns (`suggested_types`), or which pairs of types can be read at all (`shape`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

from psycopg2 import extensions

from stori_pipeline.model.drift import Drift
from stori_pipeline.model.names import name_for, names_for, quoted
from stori_pipeline.model.table import Table
from stori_pipeline.model.types.suggestions import type_named
from stori_pipeline.model.types.widths import holds
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import ROW, names, shape
from stori_pipeline.readers.postgres.session import Address, begin_snapshot
from stori_pipeline.readers.postgres.shape import Relation, SourceColumn
from stori_pipeline.readers.postgres.suggested_types import ColumnType, declared_width, types_of
from stori_pipeline.readers.scaffolding import SuggestedColumn, SuggestedTable, Suggestions, suggest_each

_SAMPLE = 10_000
"""The number of rows from which `drift` suggests a type. `suggest` uses all rows."""

_PACKAGE = "stori_pipeline.readers.postgres"


class _Listed(NamedTuple):
    """A relation in the catalogue. `name` is as a definition writes it: without the schema if the search path leads to it."""

    name: str
    sql: str
    schema: str
    may_use_schema: bool
    may_read: bool


# Relations of extensions are theirs, not the application's.
_LISTED = """
SELECT n.nspname, c.relname, pg_table_is_visible(c.oid), has_schema_privilege(n.oid, 'USAGE'), has_any_column_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
"""


def suggest(
    url: str, *, source: str, names: Sequence[str] = (), known: Sequence[Table] = (), progress: Callable[[str], object] = str
) -> Suggestions:
    """See `readers.suggest`. With `names`, a table that cannot be read is an error; without, it is left out."""
    address = Address(url)
    with closing(address.connect()) as connection, address.errors(connection, source, "its tables"), connection.cursor() as cursor:
        oids = {each.full_name: _oid(cursor, each.name_in_source) for each in known}
        listed = [] if names else _listed(cursor)
        defined = set(oids.values())
        wanted = [_as_written(cursor, name) for name in names] or [each.name for each in listed if each.may_use_schema and each.may_read]
        wanted = [name for name in wanted if names or _oid(cursor, name) not in defined]
        asked = {_oid(cursor, name) for name in wanted}
        taken = {view.partition(".")[2] for each in known for view in each.views}
        taken |= {each.name for each in known if oids[each.full_name] not in asked or oids[each.full_name] is None}
    ours = names_for(wanted, taken, prefix="t_")
    left_out = [_without_rights(source, each, address.role) for each in listed if not (each.may_use_schema and each.may_read)]

    def suggested(name: str) -> SuggestedTable:
        return _suggested(address, source, name, ours[name])

    return suggest_each(wanted, suggested, progress, asked=bool(names), left_out=left_out)


def drift(cursor: extensions.cursor, table: Table, relation: Relation) -> list[Drift]:
    """See `readers.Reader.drift`."""
    wrong = [replace(each, text=_misfit(table, relation, each)) for each in shape.misfits(table, relation)]
    unguarded = shape.unguarded_key(table, relation)
    if unguarded and not any(each.change in ("key", "dropped") for each in wrong):
        wrong.append(Drift("", "key", f"{table.full_name}: {unguarded}", is_error=True))
    return [*wrong, *_widths(table, relation), *_added(cursor, table, relation)]


def _misfit(table: Table, relation: Relation, found: Drift) -> str:
    text = f"{table.full_name}: {relation.sql} no longer fits its definition: {found.text}"
    if found.change == "dropped":
        return f"{text}; remove the column from the definition or, if it was renamed, write the source's name as its path"
    if found.change == "key":
        return f"{text}; write the source's key in the definition, with its columns declared nullable=False"
    return f"{text}; change the column's type in the definition"


def _widths(table: Table, relation: Relation) -> Iterator[Drift]:
    """The columns that may hold what the definition's type or nullability refuses: such rows would go to quarantine."""
    for column in table.columns:
        source = None if column.dropped else relation.columns.get(column.source_path)
        if source is None or column.type.postgres_expression(source.base, "x") is None:
            continue
        where = f"{table.full_name}: {relation.sql} declares {source.name!r} as {source.declared}"
        wide = declared_width(source)
        if wide and not holds(column.type, type_named(wide)):
            text = f"{where}, wider than {column.type}, the definition's type of {column.name!r}; before longer values come, write {wide}"
            yield Drift(column.name, "wider", text, wide)
        # A view's columns are never declared NOT NULL, and a domain may forbid nulls itself.
        if relation.kind in "rp" and not column.nullable and not (source.not_null or source.is_domain):
            text = (
                f"{where}, which may be null; the definition says nullable=False of {column.name!r}, so rows with a null would be rejected"
            )
            yield Drift(column.name, "nullable", f"{text}; write nullable=True, or nothing")


def _added(cursor: extensions.cursor, table: Table, relation: Relation) -> list[Drift]:
    named = {column.source_path for column in table.columns if not column.dropped}
    added = {name: column for name, column in relation.columns.items() if name not in named and column.readable}
    if not added:
        return []
    columns = ", ".join(map(quoted, added))
    types = types_of(cursor, f"(SELECT {columns} FROM {relation.sql} LIMIT {_SAMPLE}) sample", added)
    ours = names_for(list(added), (column.name for column in table.columns))
    found = []
    for name, column in added.items():
        python = _column(column, ours[name], types[name], is_key=False, declared_null=True).python
        where = f"{table.full_name}: {relation.sql} has a column {name!r} ({column.declared}) that the definition does not name"
        found.append(Drift(ours[name], "added", f"{where}; to land it, add {python},", python))
    return found


def _oid(cursor: extensions.cursor, name: str) -> int | None:
    cursor.execute("SELECT to_regclass(%s)::oid::bigint", [names.sql(name)])
    return cursor.fetchall()[0][0]  # type: ignore[no-any-return]  # the driver does not know the column's type


def _as_written(cursor: extensions.cursor, name: str) -> str:
    """The name without its schema if the search path leads to the table."""
    cursor.execute(
        "SELECT n.nspname, c.relname, pg_table_is_visible(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = to_regclass(%s)",
        [names.sql(name)],
    )
    row = cursor.fetchone()
    return names.written("" if row[2] else row[0], row[1]) if row else name


def _listed(cursor: extensions.cursor) -> list[_Listed]:
    cursor.execute(_LISTED)
    return [
        _Listed(names.written("" if visible else schema, table), f"{quoted(schema)}.{quoted(table)}", schema, may_use, may_read)
        for schema, table, visible, may_use, may_read in cursor.fetchall()
    ]


def _without_rights(source: str, listed: _Listed, role: str) -> str:
    grants = [] if listed.may_use_schema else [f"GRANT USAGE ON SCHEMA {quoted(listed.schema)} TO {quoted(role)}"]
    grants += [] if listed.may_read else [f"GRANT SELECT ON {listed.sql} TO {quoted(role)}"]
    return f"{source}.{listed.name}: the role {role!r} may not read it; as the table's owner, run {'; '.join(grants)}"


def _suggested(address: Address, source: str, name: str, ours: str) -> SuggestedTable:
    sql = names.sql(name)
    where = f"{source}.{name}".lstrip(".")
    with closing(address.connect()) as connection, address.errors(connection, where, sql), connection.cursor() as cursor:
        relation = shape.find(cursor, sql)
        if relation is None:
            raise SourceError(f"{where}: there is no table {name!r} that the role {address.role!r} can see at {address!r}")
        begin_snapshot(connection, relation.lock)
        return _definition(cursor, relation, name, ours, where, address.role)


def _definition(cursor: extensions.cursor, relation: Relation, name: str, ours: str, where: str, role: str) -> SuggestedTable:
    columns = {each.name: each for each in relation.columns.values() if each.readable}
    hidden = [each for each in relation.columns if each not in columns]
    if not columns:
        what = f"that the role {role!r} may read; run GRANT SELECT ON {relation.sql} TO {quoted(role)}" if hidden else "at all; add one"
        raise SourceError(f"{where}: it has no column {what}")
    # A policy hides rows from the role as soon as it reads any; a view may fail only when its rows are computed.
    limit = "" if relation.kind in "vf" else " LIMIT 1"
    rows = f"SELECT ROW({', '.join(map(quoted, columns))})::text AS x FROM {relation.sql}{limit}"
    cursor.execute(f"SELECT count(x) FROM ({rows}) probe")
    key, key_notes = _key(cursor, relation, columns)
    if not key and ROW in columns:
        raise SourceError(f"{where}: it has no unique key, and a column {ROW!r}, which is the path of a hash of the row; rename the column")
    types = types_of(cursor, relation.sql, columns, key)
    column_names = names_for(list(columns))
    suggested = [_column(each, column_names[each.name], types[each.name], is_key=each.name in key) for each in columns.values()]
    if not key:
        row = name_for("row_id", column_names.values())
        about = "A hash of the row, and a number among equal rows."
        suggested.insert(0, SuggestedColumn(row, "varchar(64)", nullable=False, path=ROW, description=about))
    cursor.execute("SELECT COALESCE(obj_description(%s, 'pg_class'), '')", [relation.oid])
    return SuggestedTable(
        ours,
        tuple(suggested),
        tuple(column_names[each] for each in key) or (suggested[0].name,),
        # A right to read some columns does not include the system column xmin.
        "Xmin()" if key and relation.kind in "rp" and relation.may_lock else "Snapshot()",
        _PACKAGE,
        source_name=name,
        description=cursor.fetchall()[0][0],
        notes=(f"the role {role} may not read {', '.join(hidden)}; to land all of them, and only changes, GRANT SELECT ON {relation.sql}",)
        if hidden
        else (),
        key_notes=key_notes,
    )


def _key(cursor: extensions.cursor, relation: Relation, columns: dict[str, SourceColumn]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of the primary key, in its order; without one, those of the first unique index over columns that are never null; and
    notes about it. No columns if nothing guarantees that rows differ in any."""
    unique = [index for index in relation.unique if columns.keys() >= set(index.columns)]
    for index in unique:
        if index.is_key:
            return index.columns, ()
    for index in unique if relation.kind == "m" else []:  # its columns are never declared NOT NULL
        cursor.execute(f"SELECT bool_or({' OR '.join(f'{quoted(each)} IS NULL' for each in index.columns)}) FROM {relation.sql}")
        if not cursor.fetchall()[0][0]:
            return index.columns, ("a guess: it has a unique index on these columns, and no row has a null in them now",)
    what = {"v": "a view", "m": "a materialized view without a unique index", "f": "a foreign table"}.get(relation.kind, "no unique key")
    appended = "; if rows are mostly added, write changes=Xmin(), which lands only the new ones" if relation.kind in "rp" else ""
    return (), (f"{what}: if columns identify a row, name them here instead{appended}",)


def _column(column: SourceColumn, ours: str, kind: ColumnType, *, is_key: bool, declared_null: bool = False) -> SuggestedColumn:
    nullable = not is_key and (declared_null or kind.nullable or not column.not_null)
    path = "" if ours == column.name else column.name
    return SuggestedColumn(ours, kind.python, nullable=nullable, path=path, description=column.description, notes=kind.notes)
