"""What a table is: its columns, its key, how its changes are detected, and everything that follows from those.

Belongs here: the closed vocabulary of types, the record of a source and of a source table, and the pure projections of a
record: its Arrow schema, its names in S3, in Dagster and in Redshift. Does not belong here: which tables there are
(`catalog`), how one is read (`readers`), SQL statements (`redshift`), or anything that touches a server.

A record refuses nonsense when it is made, naming the table and the column.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date as date_
from datetime import timedelta
from typing import Union
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa


class SpecError(ValueError):
    """A record that makes no sense. The message names the table, the column and what to change."""


@dataclass(frozen=True)
class Type:
    """One column type: the name a record uses, the Arrow type that lands, and the Redshift type of the mirror's column.

    `stage` is the Redshift type of the column that COPY fills. Where it differs from `redshift`, `load` is the expression
    through which a value passes on the way to its target; `{}` stands for the column.
    """

    name: str
    arrow: pa.DataType
    redshift: str
    stage: str = ""
    load: str = "{}"
    max_bytes: int | None = None
    """For text and SUPER: the longest value, in bytes of UTF-8, that fits."""

    def __post_init__(self) -> None:
        if not self.stage:
            object.__setattr__(self, "stage", self.redshift)

    def __str__(self) -> str:
        return self.name


bigint = Type("bigint", pa.int64(), "BIGINT")
integer = Type("integer", pa.int32(), "INTEGER")
smallint = Type("smallint", pa.int16(), "SMALLINT")
boolean = Type("boolean", pa.bool_(), "BOOLEAN")
date = Type("date", pa.date32(), "DATE")
# Instants are microseconds in UTC: Redshift cannot read a naive Parquet timestamp, and reads nanoseconds as nonsense.
timestamptz = Type("timestamptz", pa.timestamp("us", tz="UTC"), "TIMESTAMPTZ")
double = Type("double", pa.float64(), "DOUBLE PRECISION")
# JSON text, landed as bytes: COPY would load a Parquet string into SUPER as one long string scalar, and JSON_PARSE takes
# documents over 65,535 bytes only from VARBYTE.
super_ = Type("super", pa.binary(), "SUPER", stage="VARBYTE(16777216)", load="JSON_PARSE({})", max_bytes=16_000_000)
# A time of day as text, `07:55:00.000000`: COPY does not load Parquet's own times.
time = Type("time", pa.string(), "TIME", stage="VARCHAR(15)", load="CAST({} AS TIME)", max_bytes=15)


def decimal(precision: int, scale: int) -> Type:
    """An exact number with `precision` digits (1 to 38), `scale` of them (0 to 37) behind the point."""
    if not (1 <= precision <= 38 and 0 <= scale <= min(37, precision)):
        raise SpecError(f"decimal({precision},{scale}): Redshift takes a precision of 1-38 and a scale of 0-37, at most the precision")
    name = f"decimal({precision},{scale})"
    return Type(name, pa.decimal128(precision, scale), f"DECIMAL({precision},{scale})")


def varchar(length: int) -> Type:
    """Text of at most `length` **bytes** of UTF-8 (1 to 65,535), as Redshift counts them."""
    if not 1 <= length <= 65_535:
        raise SpecError(f"varchar({length}): Redshift takes 1 to 65535 bytes; for longer documents use super_")
    return Type(f"varchar({length})", pa.string(), f"VARCHAR({length})", max_bytes=length)


_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_OWN = re.compile(r"_[a-z][a-z0-9_]{0,61}")
RESERVED = ("_batch", "_seq", "_deleted", "_loaded_at")
"""What the pipeline itself adds to a landed row or to a mirror's."""


def _refuse_bad_name(where: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SpecError(f"{where}: {name!r} is not a name of lower-case letters, digits and underscores that starts with a letter")


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
class Xmin:
    """Postgres: every row whose inserting transaction was not visible in the last snapshot. Exact; sees no deletes."""


@dataclass(frozen=True)
class Cursor:
    """Rows whose `column` is at or after the last bound. For sources that keep no better trace of change.

    `lag` is how far behind "now" the bound stays where transactions in flight cannot be seen.
    """

    column: str
    lag: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class ChangeStream:
    """MongoDB: a snapshot, then every insert, update, replace and delete in order, by resume token."""


@dataclass(frozen=True)
class Queue:
    """SQS: each message once it is sent, deleted from the queue once it is durable. The source forgets what it handed over, so the
    lake holds the only copy, and there is nothing to read again."""


@dataclass(frozen=True)
class Objects:
    """Files that others drop under `prefix` of a bucket, each read once, and again when it is overwritten.

    `format` is `json` (an array, one object a line, or an object whose `data` holds the array), `csv` or `parquet`; each may be
    gzipped. Empty: by the name's ending.
    """

    prefix: str
    format: str = ""


@dataclass(frozen=True)
class ByDay:
    """An HTTP API that answers for one day at a time, from the day `start` on; missed days are read when it answers again."""

    start: date_


@dataclass(frozen=True)
class Rebuilt:
    """A star table that holds the present only: made whole from its inputs, and landed where that differs from what it was."""


@dataclass(frozen=True)
class History:
    """A star table that keeps every version of each row of its input. `of` are the columns that identify such a row; the record's key
    is the version's own number. `_observed_at` is when the source was seen so; `_removed` marks the version that says it is gone."""

    of: tuple[str, ...]


Changes = Union[Xmin, Cursor, ChangeStream, Queue, Objects, ByDay, Rebuilt, History]


@dataclass(frozen=True)
class Source:
    """A system that rows come from. `kind` names its reader in `readers.READERS`; its tables are called `<name>.<table>`.

    The address is the setting `STORI_SOURCE_<NAME>` (see `settings`): a record holds no address and no secret.
    """

    name: str
    kind: str
    description: str
    owners: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _refuse_bad_name("source", self.name)


@dataclass(frozen=True)
class BusinessHours:
    """When rows arrive: between two hours of certain days. What is older than it should be is judged in open time only.

    Args:
        column: the instant at which a row came to be.
        opens, closes: hours of the day, 0 to 24, by the clocks of `time_zone`.
        late_after: open time without a row, longer than chance makes it.
        stopped_after: open time without a row, so long that the source must have stopped.
        weekdays: ISO numbers, Monday is 1.
    """

    column: str
    opens: int
    closes: int
    late_after: timedelta
    stopped_after: timedelta
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5)
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= 24:
            raise SpecError(f"business hours: opens and closes are hours of one day, 0 to 24, not {self.opens} and {self.closes}")
        if not self.weekdays or not set(self.weekdays) <= set(range(1, 8)):
            raise SpecError(f"business hours: weekdays are ISO numbers, 1 for Monday to 7 for Sunday, not {self.weekdays}")
        if not timedelta(0) < self.late_after <= self.stopped_after:
            raise SpecError("business hours: late_after is more than nothing, and stopped_after no less than late_after")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise SpecError(f"business hours: there is no time zone {self.time_zone!r}; name one such as Europe/London") from error


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
        max_rejected: the share of a batch's rows that may go to quarantine before the load is blocked.
        sortkey, distkey: Redshift's physical layout; empty leaves it to AUTO.
        arrivals: when rows arrive, where that is regular enough for their absence to mean something.
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
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})
        where = f"table {self.full_name}"
        _refuse_bad_name(where, self.name)
        if not self.columns:
            raise SpecError(f"{where}: it has no columns")
        if not self.key:
            raise SpecError(f"{where}: it has no key, so its rows could not be merged; name the columns that identify a row")
        if not 0 <= self.max_rejected <= 1:
            raise SpecError(f"{where}: max_rejected is a share between 0 and 1, not {self.max_rejected}")
        for column in self.columns:
            if column.name in RESERVED:
                raise SpecError(
                    f"{where}, column {column.name!r}: the pipeline uses that name itself; call it otherwise and give its `path`"
                )
            if not (isinstance(self.changes, History) and _OWN.fullmatch(column.name)):
                _refuse_bad_name(f"{where}, column {column.name!r}", column.name)
        if twice := [name for name, n in Counter(c.name for c in self.columns).items() if n > 1]:
            raise SpecError(f"{where}: {', '.join(twice)} is declared more than once")
        self._refuse_bad_roles(where)

    def _refuse_bad_roles(self, where: str) -> None:
        """Every role that columns play names columns that exist and can play it."""
        changes = self.changes.column if isinstance(self.changes, Cursor) else ""
        of = self.changes.of if isinstance(self.changes, History) else ()
        roles = {"key": self.key, "sortkey": self.sortkey, "distkey": (self.distkey,), "cursor": (self.cursor,), "Cursor": (changes,)}
        roles["History"] = of
        roles["arrivals"] = (self.arrivals.column if self.arrivals else "",)
        for role, name in ((role, name) for role, names in roles.items() for name in names if name):
            if name not in self._by_name:
                raise SpecError(f"{where}: its {role} names {name!r}, which is not one of its columns")
            column = self._by_name[name]
            if role in ("key", "sortkey", "distkey") and column.type in (super_, double):
                raise SpecError(f"{where}, column {name!r}: a {column.type} column cannot be a {role}")
            if role == "key" and column.nullable:
                raise SpecError(f"{where}, column {name!r}: a key column must be declared nullable=False")
            if role == "cursor" and column.type not in (date, timestamptz):
                raise SpecError(f"{where}, column {name!r}: the cursor must be a date or a timestamptz, to read a day again by it")
            if role == "arrivals" and column.type != timestamptz:
                raise SpecError(f"{where}, column {name!r}: arrivals are told by a timestamptz, not by a {column.type}")

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]

    @property
    def full_name(self) -> str:
        """`bank.transactions`: the name people say, and the warehouse's `schema.table`."""
        return f"{self.source.name}.{self.name}"

    @property
    def prefix(self) -> str:
        """`bank/transactions`: the name as a path, in S3 and in asset keys; no slash at either end."""
        return f"{self.source.name}/{self.name}"

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
