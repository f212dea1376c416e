"""What a statement comes to: the few things the proxy can do with one.

Belongs here: these records. Does not belong here: how a text becomes one (`statements`), or carrying one out (`session`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

from redshift_local.sql.copy_options import Copy


@dataclass(frozen=True)
class Forward:
    """Send `sql` to the backend. It is the `original` text wherever nothing had to change."""

    sql: str
    original: str


@dataclass(frozen=True)
class CommitAfter:
    """TRUNCATE: run it, then commit the transaction it stood in, as Redshift does."""

    sql: str


@dataclass(frozen=True)
class TransactionControl:
    sql: str
    kind: Literal["begin", "commit", "rollback"]


@dataclass(frozen=True)
class OutsideTransaction:
    """Run `sql` only where no transaction is open; `what` names the statement in the refusal."""

    sql: str
    what: str


@dataclass(frozen=True)
class Local:
    """Answered without the backend. `columns` are names of text columns, `rows` their values, for what answers with rows."""

    tag: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


Statement = Union[Forward, Copy, CommitAfter, TransactionControl, OutsideTransaction, Local]
