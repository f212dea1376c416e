"""The DDL that gives an existing mirror the columns of a changed definition, without reading a row again.

Belongs here: statements, as text. Rules of Redshift that shape them: only a VARCHAR that is no key can be widened in place, in no
transaction; a NOT NULL cannot be removed; no column is renamed in a transaction. All that goes through a shadow table instead.
Does not belong here: when they run (`load`), or which changes keep a generation (`model.schema`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from stori_pipeline.model.names import quoted
from stori_pipeline.model.table import Column, Table
from stori_pipeline.warehouse import dialect

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's class is lower-case)


class MirrorColumn(NamedTuple):
    """A column of a mirror: the catalog's name of its type, lengths included, and whether it is NOT NULL."""

    type: str
    not_null: bool


class Grant(NamedTuple):
    """A privilege on a mirror: `SELECT`, to `GROUP "analysts"`."""

    privilege: str
    to: str


@dataclass(frozen=True)
class Reshape:
    """Statements that change a mirror.

    Attributes:
        widen: each runs on its own, before the load's transaction, because Redshift refuses it inside one. If one is refused, a shadow
            table does the same.
        statements: in the load's transaction, before any row is loaded.
        is_shadow: whether they write all rows into another table that then takes the mirror's name.
    """

    widen: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    is_shadow: bool = False

    @property
    def all(self) -> tuple[str, ...]:
        return self.widen + self.statements


_COLUMNS = """\
SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"""

_GRANTS = """\
SELECT privilege_type, identity_type, identity_name FROM svv_relation_privileges
WHERE namespace_name = %s AND relation_name = %s ORDER BY identity_type, identity_name, privilege_type"""


def columns_of(cursor: Cursor, table: Table) -> dict[str, MirrorColumn]:
    """The columns of a mirror, in order; none if it does not exist."""
    cursor.execute(_COLUMNS, (table.source.name, table.name))
    return {name: MirrorColumn(_type(*rest), nullable == "NO") for name, *rest, nullable in cursor.fetchall()}


def _type(kind: str, length: int | None, precision: int | None, scale: int | None) -> str:
    if kind == "numeric" and precision is not None:
        return f"{kind}({precision},{scale or 0})"
    return kind if length is None else f"{kind}({length})"


def grants_of(cursor: Cursor, table: Table) -> list[Grant]:
    """The privileges on a mirror, which a table that takes its name does not have by itself."""
    cursor.execute(_GRANTS, (table.source.name, table.name))
    return [Grant(privilege, _grantee(kind, name)) for privilege, kind, name in cursor.fetchall()]


def _grantee(kind: str, name: str) -> str:
    if kind == "public":
        return "PUBLIC"
    return quoted(name) if kind == "user" else f"{kind.upper()} {quoted(name)}"


def reshape(table: Table, existing: Mapping[str, MirrorColumn], names: Mapping[str, str], grants: Sequence[Grant] = ()) -> Reshape:
    """The statements after which a mirror has the definition's columns.

    Args:
        existing: the mirror's columns.
        names: the definition's columns that the mirror has, each with its name there.
    """
    names = {now: was for now, was in names.items() if was in existing}
    names |= {c.name: c.name for c in table.columns if c.dropped and c.name in existing and existing[c.name].type == _catalog(c)}
    widen = []
    for column in table.columns:
        was = names.get(column.name)
        if was is None:
            continue
        if existing[was].not_null and column.nullable and column.name not in table.key:
            return shadow(table, existing, names, grants)
        if existing[was].type != _catalog(column):
            if was != column.name or not _can_widen(table, column, existing[was]):
                return shadow(table, existing, names, grants)
            widen.append(f"ALTER TABLE {dialect.relation(table)} ALTER COLUMN {quoted(was)} TYPE {column.type.redshift}")
    staying, own = set(names.values()), {"_deleted", "_batch", "_seq", "_loaded_at"}
    gone = [name for name in existing if name not in staying | own]
    added = [column for column in table.columns if column.name not in names]
    if any(now != was for now, was in names.items()) or any(column.name in staying for column in added):
        return shadow(table, existing, names, grants)
    alter = f"ALTER TABLE {dialect.relation(table)}"
    changes = [
        *(f"{alter} DROP COLUMN {quoted(name)} CASCADE" for name in gone),
        *(f"{alter} ADD COLUMN {quoted(column.name)} {column.type.redshift}" for column in added),
    ]
    views = dialect.drop_views(table) if changes else []
    cleared = [dialect.clear_column(table, c.name) for c in table.columns if c.dropped and c.name in existing]
    return Reshape(tuple(widen), (*views, *changes, *cleared))


def _catalog(column: Column) -> str:
    return column.type.catalog_name


def _can_widen(table: Table, column: Column, existing: MirrorColumn) -> bool:
    lengths = [re.fullmatch(r"character varying\((\d+)\)", each) for each in (existing.type, _catalog(column))]
    if lengths[0] is None or lengths[1] is None:
        return False
    return int(lengths[0][1]) < int(lengths[1][1]) and column.name not in (*table.key, *table.sortkey, table.distkey)


def shadow(table: Table, existing: Mapping[str, MirrorColumn], names: Mapping[str, str], grants: Sequence[Grant] = ()) -> Reshape:
    """A table with the definition's columns that takes the mirror's rows, privileges and name. The load's transaction makes that one step;
    the views over the mirror go, and are created again like those over a mirror that is rebuilt."""
    names = {now: was for now, was in names.items() if was in existing}
    other = replace(table, name=f"reshaped_{table.name}"[:63])
    kept = {c.name: names[c.name] for c in table.columns if c.name in names and not c.dropped}
    kept |= {name: name for name in (*(["_deleted"] if table.keep_deleted else []), "_batch", "_loaded_at")}
    into, values = (", ".join(map(quoted, each)) for each in (kept.keys(), kept.values()))
    return Reshape(
        statements=(
            dialect.create_mirror(other),
            f"INSERT INTO {dialect.relation(other)} ({into}) SELECT {values} FROM {dialect.relation(table)}",
            *(f"GRANT {each.privilege} ON {dialect.relation(other)} TO {each.to}" for each in grants),
            dialect.drop_mirror(table),
            f"ALTER TABLE {dialect.relation(other)} RENAME TO {quoted(table.name)}",
        ),
        is_shadow=True,
    )
