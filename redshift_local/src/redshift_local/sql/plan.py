"""A parsed statement: one class for each way in which the proxy executes statements.

Belongs here: these classes. Does not belong here: parsing (`statements`), and executing (`proxy.execution`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

from redshift_local.sql.copy_options import Copy


@dataclass(frozen=True)
class Forward:
    """Send `sql` to the backend. It is the `original` text, unless the statement was rewritten."""

    sql: str
    original: str


@dataclass(frozen=True)
class CommitAfter:
    """TRUNCATE: run `sql`, then commit its transaction, as Redshift does."""

    sql: str


@dataclass(frozen=True)
class TransactionControl:
    """Run `sql`, which opens or ends a transaction block."""

    sql: str
    kind: Literal["begin", "commit", "rollback"]


@dataclass(frozen=True)
class OutsideTransaction:
    """Run `sql` only if no transaction is open. `name` is the name of the statement in the error."""

    sql: str
    name: str


@dataclass(frozen=True)
class LocalAnswer:
    """Reply without the backend. If the reply has rows, `columns` are the names of text columns, and `rows` their values."""

    tag: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


Statement = Union[Forward, Copy, CommitAfter, TransactionControl, OutsideTransaction, LocalAnswer]
