"""What a statement becomes: the few things that the proxy can do with one.

Belongs here: these records. Does not belong here: how a text becomes one (`statements`), or carrying one out (`proxy.execution`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

from redshift_local.sql.copy_options import Copy


@dataclass(frozen=True)
class Forward:
    """Send `sql` to the backend. It is the `original` text unless something had to change."""

    sql: str
    original: str


@dataclass(frozen=True)
class CommitAfter:
    """TRUNCATE: run it, then commit the transaction it stands in, as Redshift does."""

    sql: str


@dataclass(frozen=True)
class TransactionControl:
    """Run `sql`, which opens or ends a transaction block."""

    sql: str
    kind: Literal["begin", "commit", "rollback"]


@dataclass(frozen=True)
class OutsideTransaction:
    """Run `sql` only if no transaction is open; `name` is the statement's in the refusal."""

    sql: str
    name: str


@dataclass(frozen=True)
class LocalAnswer:
    """Answered without the backend. `columns` are names of text columns and `rows` their values, if it answers with rows."""

    tag: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


Statement = Union[Forward, Copy, CommitAfter, TransactionControl, OutsideTransaction, LocalAnswer]
