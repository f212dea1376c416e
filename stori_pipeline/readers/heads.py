"""The heads of several tables of a source: together where its kind can tell them so, else side by side.

Belongs here: how heads are asked for. Does not belong here: what a head is (`Reader.head`), or what is done about one that moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, runtime_checkable

from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader, SourceError

_THREADS = 8


@runtime_checkable
class HeadsTogether(Protocol):
    """What a reader defines in addition if it finds the heads of many tables for little more than that of one. Such a head is that of the
    table as it is: of a position it says only whether there is one."""

    def heads(self, since: Mapping[Table, Position | None], *, exact: bool = False) -> dict[str, str | SourceError]:
        """The head of each table since its position, or why there is none, by full name. Each is what `Reader.head` would say.

        Args:
            exact: make sure that every change shows that can be seen now, whatever that costs. Such heads have texts of their own.
        """


def heads(reader: Reader, since: Mapping[Table, Position | None], *, exact: bool = False) -> dict[str, str | SourceError]:
    """The head of each table of one source since its position, or why there is none, by full name: an error of one table never hides the
    heads of others. See `Reader.head`, and `HeadsTogether.heads` for `exact`."""
    if isinstance(reader, HeadsTogether) and since:
        return reader.heads(since, exact=exact)

    def head(table: Table) -> str | SourceError:
        try:
            return reader.head(table, since[table])
        except SourceError as error:
            return error
        except Exception as error:  # noqa: BLE001  (a reader of a kind from outside may raise anything)
            return SourceError(f"{table.full_name}: {type(error).__name__}: {error}")

    if len(since) < 2:
        return {table.full_name: head(table) for table in since}
    with ThreadPoolExecutor(min(_THREADS, len(since)), thread_name_prefix="head") as threads:
        return dict(zip((table.full_name for table in since), threads.map(head, since), strict=True))
