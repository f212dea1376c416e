"""Rows in quarantine, read again: the protocol of a kind that keeps them in a form of its own, and the form of all others.

Belongs here: turning rejected rows into rows that the contract can judge again. Does not belong here: judging them (`contract`), or where
they are kept (`lake`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from stori_pipeline.contract import Misfit, Refused, row_of_raw
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader

Again = Sequence[Mapping[str, object] | Refused]
"""The rows that one rejected row holds, as `contract.conform` takes them; the rejected row itself if it cannot be read again."""


@runtime_checkable
class ReadsQuarantine(Protocol):
    """A reader whose rejected rows have a form of their own, such as a message or a document."""

    def rows_again(self, table: Table, rejected: Sequence[Refused], since: Position) -> list[Again]:
        """The rows of each rejected row, by the table's present definition.

        A row that stands for a file or a day is asked of the source again, if the source still has that version of it.

        Args:
            since: the table's newest position.

        Raises:
            SourceUnavailable: the source had to be asked and cannot be reached now.
        """


def refused_rows(rows: Iterable[Mapping[str, Any]]) -> list[Refused]:
    """Rows of a quarantine file, as `lake.quarantine` reads them."""
    return [Refused(row["code"], row["reason"], row["raw"], row["column"]) for row in rows]


def rows_again(table: Table, reader: Reader, rejected: Sequence[Refused], since: Position) -> list[Again]:
    """See `ReadsQuarantine.rows_again`; for any reader."""
    if isinstance(reader, ReadsQuarantine):
        return reader.rows_again(table, rejected, since)
    return [[_by_columns(each)] for each in rejected]


def _by_columns(rejected: Refused) -> Mapping[str, object] | Refused:
    """The row of a raw form that has the values by the definition's columns."""
    row = row_of_raw(rejected.raw)
    if row is None:
        return rejected
    if rejected.column and rejected.column not in row:  # a reader could not pass the value on, and an earlier version kept nothing of it
        row[rejected.column] = Misfit(rejected.code, rejected.reason)
    # The form in which it is kept if it is rejected again.
    return row | {"_raw": rejected.raw}
