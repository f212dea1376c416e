"""What a table is: its columns, its key, how its changes are found, and everything that follows from those.

Belongs here: the definition of a table, and its pure projections: its Arrow schemas, its names, its fingerprint. Does not belong here:
which tables there are (a project says that), how one is read (`readers`), or SQL (`warehouse`).

A definition refuses nonsense when it is made, naming the table and the column.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pyarrow as pa

from stori_pipeline.model.business_hours import BusinessHours
from stori_pipeline.model.changes import Changes, History
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import OWN_NAME, RESERVED, refuse_bad_name
from stori_pipeline.model.source import Source
from stori_pipeline.model.types import Type, registered

WARN_AFTER = timedelta(minutes=20)
STALE_AFTER = timedelta(minutes=30)
"""A mirror that has not been materialized for so long is stale. A quiet source's is materialized by the schedule."""


_ROLE_NEEDS = {"cursor": "to read a day again by it", "arrivals": "to tell when a row arrived"}


SMALL_BATCH = 1_000
"""A smaller batch is judged as if it had so many rows: of three changed rows, one that is rejected is not yet a broken source."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `path` is where the value sits in a nested source: a dotted path for documents (`details.lag`), or the source's own
    column name where it differs. Empty means: under the column's own name.
    """

    name: str
    type: Type
    nullable: bool = True
    path: str = ""
    description: str = ""

    @property
    def source_path(self) -> str:
        return self.path or self.name


@dataclass(frozen=True)
class Table:
    """The record of one source table; the one place where anything about it is said.

    Args:
        source: the system it belongs to.
        name: its name there, which is also its name in S3, in Dagster and in Redshift.
        columns: in the order in which they land, which is the order COPY loads them in.
        key: the columns that identify a row; they may not be null.
        changes: how the reader finds what changed.
        cursor: the instant or date column by which a past day is read again, if there is one.
        unnest: for documents, a field that may hold an array of rows; a document without it is one row itself.
        keep_deleted: mark deleted rows with `_deleted` in the mirror instead of removing them.
        max_rejected: the share of a batch's rows that may go to quarantine before the load is blocked (see `blocks`).
        sortkey, distkey: Redshift's physical layout; empty leaves it to AUTO.
        arrivals: when rows arrive, where that is regular enough for their absence to mean something.
        aliases: other names for the table in the warehouse, as views.
    """

    source: Source
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    changes: Changes
    description: str = ""
    cursor: str = ""
    unnest: str = ""
    keep_deleted: bool = False
    max_rejected: float = 0.01
    sortkey: tuple[str, ...] = ()
    distkey: str = ""
    arrivals: BusinessHours | None = None
    aliases: tuple[str, ...] = ()
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})
        where = f"table {self.full_name}"
        refuse_bad_name(where, self.name)
        if not self.columns:
            raise DefinitionError(f"{where}: it has no columns")
        if not self.key:
            raise DefinitionError(f"{where}: it has no key, so its rows could not be merged; name the columns that identify a row")
        if not 0 <= self.max_rejected <= 1:
            raise DefinitionError(f"{where}: max_rejected is a share between 0 and 1, not {self.max_rejected}")
        for column in self.columns:
            if column.name in RESERVED:
                raise DefinitionError(
                    f"{where}, column {column.name!r}: the pipeline uses that name itself; call it otherwise and give its `path`"
                )
            if not (isinstance(self.changes, History) and OWN_NAME.fullmatch(column.name)):
                refuse_bad_name(f"{where}, column {column.name!r}", column.name)
        if twice := [name for name, n in Counter(c.name for c in self.columns).items() if n > 1]:
            raise DefinitionError(f"{where}: {', '.join(twice)} is declared more than once")
        self._refuse_bad_roles(where)

    def _refuse_bad_roles(self, where: str) -> None:
        """Every role that columns play names columns that exist and can play it."""
        roles = {"key": self.key, "sortkey": self.sortkey, "distkey": (self.distkey,), "cursor": (self.cursor,)}
        roles |= self.changes.roles | {"arrivals": (self.arrivals.column if self.arrivals else "",)}
        for role, name in ((role, name) for role, names in roles.items() for name in names if name):
            if name not in self._by_name:
                raise DefinitionError(f"{where}: its {role} names {name!r}, which is not one of its columns")
            column = self._by_name[name]
            if role in ("key", "sortkey", "distkey") and role not in column.type.roles:
                raise DefinitionError(f"{where}, column {name!r}: a {column.type} column cannot be a {role}")
            if role == "key" and column.nullable:
                raise DefinitionError(f"{where}, column {name!r}: a key column must be declared nullable=False")
            if role in _ROLE_NEEDS and role not in column.type.roles:
                able = " or a ".join(kind.name for kind in registered() if role in kind.roles)
                raise DefinitionError(f"{where}, column {name!r}: the {role} must be a {able}, {_ROLE_NEEDS[role]}; it is a {column.type}")

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]

    def blocks(self, rows: int, rejected: int) -> bool:
        """Whether too many of a batch's rows break the definition for the batch to be loaded.

        Args:
            rows: rows that landed.
            rejected: rows that went to quarantine.
        """
        return rejected > self.max_rejected * max(rows + rejected, SMALL_BATCH)

    @property
    def snapshot_advice(self) -> str:
        """For errors: what lands a new snapshot of the table, as a clause in the imperative."""
        if self.is_derived:
            return f"make the table from the beginning: materialize the asset `{self.prefix}` with `full: true` in its config"
        return f"land a new snapshot with `stori sync --full {self.full_name}`"

    @property
    def is_derived(self) -> bool:
        """Whether it is a star table: made from other tables, and kept in the processed bucket."""
        return self.changes.is_derived

    @property
    def full_name(self) -> str:
        """`bank.transactions`: the name people say, and the warehouse's `schema.table`."""
        return f"{self.source.name}.{self.name}"

    @property
    def prefix(self) -> str:
        """`bank/transactions`: the name as a path, in S3 and in asset keys; no slash at either end."""
        return f"{self.source.name}/{self.name}"

    @property
    def source_path(self) -> list[str]:
        """The asset key of the table in its source."""
        return [self.source.name, self.name]

    @property
    def landing_path(self) -> list[str]:
        """The asset key of the table's batches: in the landing bucket, or in the processed one for a star table."""
        return [self.source.name, self.name] if self.is_derived else ["landing", self.source.name, self.name]

    @property
    def mirror_path(self) -> list[str]:
        """The asset key of the table in the warehouse."""
        return ["warehouse", self.source.name, self.name]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the record's own columns, in order, nullability included."""
        return pa.schema([pa.field(c.name, c.type.arrow, nullable=c.nullable) for c in self.columns])

    @property
    def read_schema(self) -> pa.Schema:
        """What a reader yields: the record's columns and `_deleted`. All but the key are nullable here, since a deleted row
        carries its key and nothing else."""
        fields = [pa.field(c.name, c.type.arrow, nullable=c.name not in self.key) for c in self.columns]
        return pa.schema([*fields, pa.field("_deleted", pa.bool_(), nullable=False)])

    @property
    def landed_schema(self) -> pa.Schema:
        """What lands in Parquet: the record's columns, then `_batch`, `_seq` and `_deleted`."""
        *fields, deleted = self.read_schema
        return pa.schema([*fields, pa.field("_batch", pa.int64(), nullable=False), pa.field("_seq", pa.int64(), nullable=False), deleted])

    @property
    def fingerprint(self) -> str:
        """A short hash of everything that decides what lands and which columns the mirror has; a batch with another fingerprint
        cannot be merged with these."""
        said = [f"{c.name} {c.type} {c.nullable} {c.source_path}" for c in self.columns] + [f"key {self.key}", f"unnest {self.unnest}"]
        said += ["keep_deleted"] if self.keep_deleted else []
        said += [f"history of {self.changes.of}"] if isinstance(self.changes, History) else []
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]
