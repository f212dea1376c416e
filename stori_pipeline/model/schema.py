"""The schema with which a table's rows landed, and how a definition differs from it.

Belongs here: what a manifest keeps of a definition, and which changes of it keep the generation. Does not belong here: how a definition
differs from its source (`drift`), reading rows (`pipeline`), or DDL (`warehouse.reshape`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import parse
from stori_pipeline.model.types.widths import holds

WHOLE_ROW = "$row"
"""The path of a key that the source computes from all columns of the definition, so that it changes with them."""


@dataclass(frozen=True)
class Schema:
    """The columns of a definition, and its key, as they were when a batch landed."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @classmethod
    def of(cls, table: Table) -> Schema:
        return cls(table.columns, table.key)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Schema:
        """Raises DefinitionError if a type is not registered; KeyError or TypeError if it is not what `to_json` gives."""
        columns = tuple(
            Column(each["name"], parse(each["type"]), each["nullable"], each["path"], dropped=each.get("dropped", False))
            for each in document["columns"]
        )
        return cls(columns, tuple(document["key"]))

    def to_json(self) -> dict[str, Any]:
        columns = [
            {"name": c.name, "type": str(c.type), "nullable": c.nullable, "path": c.path} | ({"dropped": True} if c.dropped else {})
            for c in self.columns
        ]
        return {"columns": columns, "key": list(self.key)}

    def table(self, table: Table) -> Table:
        """The definition of `table` as it was, without the roles of columns, which landing and loading do not need."""
        return _bare(table, self.columns, self.key, Changes())


def _bare(table: Table, columns: tuple[Column, ...], key: tuple[str, ...], changes: Changes) -> Table:
    return replace(table, columns=columns, key=key, changes=changes, cursor="", sortkey=(), distkey="", arrivals=None, aliases=())


def to_read(table: Table, names: tuple[str, ...]) -> Table:
    """The definition with its key, these columns, and those by which changes are found, in the definition's order."""
    kept = {*table.key, *names, *(name for role in table.changes.roles.values() for name in role)}
    return _bare(table, tuple(column for column in table.columns if column.name in kept), table.key, table.changes)


def to_land(table: Table, names: tuple[str, ...]) -> Table:
    """The definition with its key and these columns alone: what a batch of the kind `columns` has."""
    return _bare(table, tuple(column for column in table.columns if column.name in {*table.key, *names}), table.key, Changes())


def carried(old: Schema, table: Table, *, with_dropped: bool = False) -> dict[str, str]:
    """The columns of a definition whose values landed under an older schema, each with its name there. A column is the same if its path in
    the source is.

    Args:
        with_dropped: whether columns that the source has dropped have what landed before; otherwise they are null.
    """
    by_path: dict[str, list[Column]] = {}
    for column in old.columns:
        if not column.dropped:
            by_path.setdefault(column.source_path, []).append(column)
    names = {}
    for column in table.columns:
        found = [] if column.dropped and not with_dropped else by_path.get(column.source_path, [])
        if found:
            names[column.name] = next((each.name for each in found if each.name == column.name), found[0].name)
    return names


@dataclass(frozen=True)
class SchemaChange:
    """How a definition differs from the schema with which its newest rows landed.

    Attributes:
        added: columns whose values have not landed.
        removed: columns that the definition no longer has, by their names before.
        renamed: new names, each with the one before.
        retyped: columns, each with its types before and now.
        loosened: columns that may be null by now.
        dropped: columns that the source has dropped, and that stay as null.
        reordered: whether columns are in another order.
        whole: why the whole table must be read again; empty if the generation can be kept.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    retyped: tuple[tuple[str, str, str], ...] = ()
    loosened: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    reordered: bool = False
    whole: tuple[str, ...] = ()

    @property
    def takes_more(self) -> bool:
        """Whether rows that were rejected before may fit by now."""
        return bool(self.retyped or self.loosened or self.removed or self.dropped)

    @property
    def lines(self) -> list[str]:
        """A line for each change, for people."""
        return [
            *(f"column {name} is new" for name in self.added),
            *(f"column {name} is removed" for name in self.removed),
            *(f"column {before} is now called {name}" for name, before in self.renamed),
            *(f"column {name} is {now}, was {before}" for name, before, now in self.retyped),
            *(f"column {name} may be null" for name in self.loosened),
            *(f"column {name} is null from now on, because the source has dropped it" for name in self.dropped),
            *(["the columns are in another order"] if self.reordered else []),
        ]


def change(old: Schema | None, fingerprint: str, table: Table) -> SchemaChange | None:
    """How a definition differs from what landed; None if it does not.

    Args:
        old: the schema with which the newest batch landed; None if it is not known, as of earlier versions of the platform.
        fingerprint: that batch's.
    """
    if fingerprint == table.fingerprint:
        return None
    if old is None:
        return SchemaChange(whole=("the lake does not say with which columns its batches landed",))
    names, before = carried(old, table), {column.name: column for column in old.columns}
    same = [(column, before[names[column.name]]) for column in table.columns if column.name in names]
    kept = [column for column in table.columns if column.dropped and before.get(column.name, column).dropped]
    removed = [c.name for c in old.columns if c.name not in names.values() and c.name not in {k.name for k in table.columns if k.dropped}]
    added = [column for column in table.columns if column.name not in names and not column.dropped]
    found = SchemaChange(
        added=tuple(column.name for column in added),
        removed=tuple(removed),
        renamed=tuple((now.name, was.name) for now, was in same if now.name != was.name),
        retyped=tuple((now.name, str(was.type), str(now.type)) for now, was in same if now.type != was.type),
        loosened=tuple(now.name for now, was in same if now.nullable and not was.nullable),
        dropped=tuple(column.name for column in table.columns if column.dropped and column not in kept),
        reordered=[was.name for _, was in same] != [c.name for c in old.columns if c.name in names.values()],
    )
    return replace(found, whole=tuple(_whole(old, fingerprint, table, same, added)))


def _whole(old: Schema, fingerprint: str, table: Table, same: list[tuple[Column, Column]], added: list[Column]) -> list[str]:
    """Why the whole table must be read again."""
    reasons = []
    if old.key != table.key:
        reasons.append(f"its key was ({', '.join(old.key)}) and is ({', '.join(table.key)})")
    if any(table[name].source_path == WHOLE_ROW for name in table.key):
        reasons.append("its key is a hash of all its columns")
    if table.changes.reads_whole:
        reasons.append(f"{type(table.changes).__name__}() reads the whole table at each change")
    if old.table(table).fingerprint != fingerprint:
        reasons.append("more than its columns has changed, such as its source_name, unnest or keep_deleted")
    for now, was in same:
        if now.type != was.type and not (_same_kind(now, was) and holds(now.type, was.type)):
            reasons.append(f"{now.name} was {was.type} and is {now.type}, which does not take every value of it")
        if was.nullable and not now.nullable:
            reasons.append(f"{now.name} may not be null any more")
    reasons += [f"{column.name} is new and may not be null" for column in added if not column.nullable]
    return reasons


def _same_kind(now: Column, was: Column) -> bool:
    numbers = [column.type.is_integer or column.type.base == "decimal" for column in (now, was)]
    return now.type.base == was.type.base or (all(numbers) and not (now.type.is_integer and was.type.base == "decimal"))
