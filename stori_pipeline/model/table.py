"""What a table is: its columns, its key, its change strategy, and what follows from those.

Belongs here: the definition of a table, its Arrow schemas, its names and its fingerprint. An invalid definition raises an error that names
the table and the column. Does not belong here: any table (a project has those), reading one (`readers`), or SQL (`warehouse`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from stori_pipeline.imports import later
from stori_pipeline.model.business_hours import BusinessHours
from stori_pipeline.model.changes import Changes, History
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import OWN_NAME, RESERVED, SYSTEM_COLUMNS, refuse_bad_name
from stori_pipeline.model.source import Source, refuse_bad_target_lag
from stori_pipeline.model.types import Type, registered

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

WARN_AFTER = timedelta(minutes=20)
STALE_AFTER = timedelta(minutes=30)
"""A mirror is stale if it was last materialized longer ago than this. The schedule materializes it even if its source is idle."""


_ROLE_NEEDS = {"cursor": "to read a day again by it", "arrivals": "to tell when a row arrived"}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `path` is where the source has the value: a dotted path in a document (`details.lag`), or the source's own name of the column if that
    differs. If empty, it is the column's name.

    `dropped` says that the source has dropped the column: it stays in the mirror, as null, and no reader looks for it. To remove it from
    the mirror, remove it from the definition.
    """

    name: str
    type: Type
    nullable: bool = True
    path: str = ""
    description: str = ""
    dropped: bool = False

    @property
    def source_path(self) -> str:
        return self.path or self.name


@dataclass(frozen=True)
class Table:
    """The definition of one table; everything about the table is declared here and nowhere else.

    Args:
        source: the system that the table belongs to.
        name: the table's name in S3, in Dagster and in Redshift.
        columns: in the order in which they land, which is the order in which COPY loads them.
        key: the columns that identify a row; they may not be null.
        changes: the change strategy: how the reader finds changed rows.
        cursor: the instant or date column by which a past day is read again, if there is one.
        unnest: for documents, a field that may hold an array of rows; a document without it is one row.
        may_be_empty: the source may delete all of the table's rows, or most of them. Otherwise the detection of deletes refuses a source
            that lists no rows, or under half of the mirror's, because an outage or a wrong address is more likely.
        keep_deleted: mark deleted rows with `_deleted` in the mirror instead of removing them.
        max_rejected: the share of a batch's rows (0 to 1) that may go to quarantine; if more do, the load is blocked (see `blocks`).
        max_rejected_rows: the number of a batch's rows that may go to quarantine, whatever their share: by default one, because one bad row
            of three does not yet mean a broken source. 0 leaves the share alone to decide.
        sortkey: the columns by which Redshift sorts the mirror; empty means AUTO.
        distkey: the column by which Redshift distributes the mirror; empty means AUTO.
        arrivals: when rows arrive, if that is regular enough to notice their absence.
        aliases: other names of the table in the warehouse, as views.
        target_lag: how late the mirror may be: changes are collected for up to half of that time, because each load of a warehouse has a
            price. Without it, the source's; without that, of a star table its inputs', of a source table the setting STORI_TARGET_LAG.
        source_name: what the source itself calls the table (`labOrders`, `person.person`, `Order Details`); empty if that is `name`. The
            kind of the source says how it is written, for Postgres in `readers.postgres.names`.

    Raises:
        DefinitionError: the definition is invalid. The message names the table and the column.
    """

    source: Source
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    changes: Changes
    description: str = ""
    cursor: str = ""
    unnest: str = ""
    may_be_empty: bool = False
    keep_deleted: bool = False
    max_rejected: float = 0.01
    max_rejected_rows: int = 1
    sortkey: tuple[str, ...] = ()
    distkey: str = ""
    arrivals: BusinessHours | None = None
    aliases: tuple[str, ...] = ()
    source_name: str = ""
    target_lag: timedelta | None = None
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})
        where = f"table {self.full_name}"
        refuse_bad_name(where, self.name)
        if not self.columns:
            raise DefinitionError(f"{where}: it has no columns")
        if not self.key:
            raise DefinitionError(f"{where}: it has no key, so its rows cannot be merged; name the columns that identify a row")
        if not 0 <= self.max_rejected <= 1:
            raise DefinitionError(f"{where}: max_rejected is a share between 0 and 1, not {self.max_rejected}")
        if not isinstance(self.max_rejected_rows, int) or self.max_rejected_rows < 0:
            raise DefinitionError(f"{where}: max_rejected_rows is a number of rows, 0 or more, not {self.max_rejected_rows!r}")
        if self.keep_deleted and self.changes.reads_whole:
            raise DefinitionError(
                f"{where}: keep_deleted=True cannot mark what {type(self.changes).__name__}() does not find: a reading of the whole table"
                " replaces the mirror's rows; leave it out, or find changes in another way"
            )
        refuse_bad_target_lag(where, self.target_lag)
        key: object = self.key  # ("id") is a text, and each of its letters would be a column
        if isinstance(key, str):
            raise DefinitionError(f"{where}: its key is a text and not a tuple of names; write key=({key!r},), with a comma")
        for column in self.columns:
            self._refuse_bad_column(where, column)
        if repeated := [name for name, n in Counter(c.name for c in self.columns).items() if n > 1]:
            raise DefinitionError(f"{where}: {', '.join(repeated)} is declared more than once")
        self._refuse_bad_roles(where)

    def _refuse_bad_column(self, where: str, column: Column) -> None:
        if not isinstance(column.type, Type):
            raise DefinitionError(
                f"{where}, column {column.name!r}: {column.type!r} is no type; use one of stori_pipeline.model.types, such as "
                "`integer`, or `decimal(18, 2)` with its lengths"
            )
        if column.dropped and not column.nullable:
            raise DefinitionError(f"{where}, column {column.name!r}: a dropped column is null, so it must be nullable")
        if column.name in RESERVED or column.name in SYSTEM_COLUMNS:
            raise DefinitionError(
                f"{where}, column {column.name!r}: the pipeline or Redshift uses that name; rename the column, and give its `path`"
            )
        if not (isinstance(self.changes, History) and OWN_NAME.fullmatch(column.name)):
            refuse_bad_name(f"{where}, column {column.name!r}", column.name)

    def _refuse_bad_roles(self, where: str) -> None:
        """Refuses a role (key, sort key, cursor and so on) that names a missing column, or one whose type does not allow it."""
        roles = {"key": self.key, "sortkey": self.sortkey, "distkey": (self.distkey,), "cursor": (self.cursor,)}
        roles |= self.changes.roles | {"arrivals": (self.arrivals.column if self.arrivals else "",)}
        for role, name in ((role, name) for role, names in roles.items() for name in names if name):
            if name not in self._by_name:
                raise DefinitionError(f"{where}: its {role} names {name!r}, which is not one of its columns")
            column = self._by_name[name]
            if column.dropped:
                raise DefinitionError(f"{where}, column {name!r}: it is dropped, and so null, and cannot be the {role}")
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
        """Whether so many of a batch's rows break the definition that the batch must not be loaded.

        Args:
            rows: rows that landed.
            rejected: rows that went to quarantine.
        """
        return rejected > max(self.max_rejected_rows, self.max_rejected * (rows + rejected))

    @property
    def snapshot_advice(self) -> str:
        """For errors: how to land a new snapshot of the table, as an imperative clause without a full stop."""
        if self.is_derived:
            return f"compute the table from the beginning: materialize the asset `{self.prefix}` with `full: true` in its config"
        return f"land a new snapshot with `stori sync --full {self.full_name}`"

    @property
    def lost_part_advice(self) -> str:
        """For errors: what to do if a part of a batch is gone from the lake, as an imperative clause without a full stop."""
        if not self.is_derived and not self.changes.is_replayable:
            return "restore it from a version or a copy of the bucket: its source gives the rows only once, so they are nowhere else"
        return f"restore it, or {self.snapshot_advice}"

    @property
    def is_derived(self) -> bool:
        """Whether it is a star table: computed from other tables, and kept in the processed bucket."""
        return self.changes.is_derived

    @property
    def views(self) -> tuple[str, ...]:
        """Full names of the views over the table in the warehouse: its aliases, and `<name>_current` of a history."""
        current = (f"{self.name}_current",) if isinstance(self.changes, History) else ()
        return tuple(f"{self.source.name}.{name}" for name in (*self.aliases, *current))

    @property
    def full_name(self) -> str:
        """`bank.transactions`: the name in commands and messages, and the `schema.table` in the warehouse."""
        return f"{self.source.name}.{self.name}"

    @property
    def prefix(self) -> str:
        """`bank/transactions`: the name as a path in S3 and in asset keys, with no slash at either end."""
        return f"{self.source.name}/{self.name}"

    @property
    def name_in_source(self) -> str:
        """What the source itself calls the table."""
        return self.source_name or self.name

    @property
    def source_path(self) -> list[str]:
        """The asset key of the source table."""
        return [self.source.name, self.name]

    @property
    def landing_path(self) -> list[str]:
        """The asset key of the table's batches: in the landing bucket, or in the processed one for a star table."""
        return [self.source.name, self.name] if self.is_derived else ["landing", self.source.name, self.name]

    @property
    def mirror_path(self) -> list[str]:
        """The asset key of the table's mirror."""
        return ["warehouse", self.source.name, self.name]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the definition's columns, in order, with their nullability."""
        return pa.schema([pa.field(c.name, c.type.arrow, nullable=c.nullable) for c in self.columns])

    @property
    def read_schema(self) -> pa.Schema:
        """What a reader yields: the definition's columns and `_deleted`. All columns but the key are nullable here, because a deleted row
        has its key and nothing else."""
        fields = [pa.field(c.name, c.type.arrow, nullable=c.name not in self.key) for c in self.columns]
        return pa.schema([*fields, pa.field("_deleted", pa.bool_(), nullable=False)])

    @property
    def landed_schema(self) -> pa.Schema:
        """What lands in Parquet: the definition's columns, then `_batch`, `_seq` and `_deleted`."""
        *fields, deleted = self.read_schema
        return pa.schema([*fields, pa.field("_batch", pa.int64(), nullable=False), pa.field("_seq", pa.int64(), nullable=False), deleted])

    @property
    def mirror_names(self) -> tuple[str, ...]:
        """The mirror's columns, in order: the definition's, then the pipeline's own. A part has all of them but `_loaded_at`."""
        own = ("_deleted", "_batch", "_loaded_at", "_seq") if self.keep_deleted else ("_batch", "_loaded_at", "_seq", "_deleted")
        return (*(c.name for c in self.columns), *own)

    @property
    def fingerprint(self) -> str:
        """A short hash of everything that determines what lands and which columns the mirror has. Batches with different fingerprints
        cannot be merged."""
        columns = [f"{c.name} {c.type} {c.nullable} {c.source_path}{' dropped' if c.dropped else ''}" for c in self.columns]
        parts = [*columns, f"key {self.key}", f"unnest {self.unnest}"]
        parts += [f"source name {self.source_name}"] if self.source_name else []
        parts += ["keep_deleted"] if self.keep_deleted else []
        parts += [f"history of {self.changes.of}"] if isinstance(self.changes, History) else []
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
