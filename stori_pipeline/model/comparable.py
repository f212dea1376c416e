"""A comparable: something that holds rows of a table and can compute their checksums.

Belongs here: the protocols that the warehouse, the lake and some readers implement. Does not belong here: what a checksum is
(`row_checksum`), or comparing (`verify`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol, runtime_checkable

from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.row_checksum import Digest, KeyRange
from stori_pipeline.model.table import Table


@runtime_checkable
class Comparable(Protocol):
    """Holds rows of tables, and can be compared with another comparable."""

    def key_range(self, table: Table) -> tuple[int, KeyRange]:
        """The number of rows now, and a range that contains all their partition values."""

    def digests(self, table: Table, key_range: KeyRange, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        """The digest of each bucket of `width` partition values in the range, by the bucket's number. A bucket without rows is left out.

        An engine that has md5 computes it; otherwise it is computed here from a bounded stream of rows. A source row that does not fit
        the definition counts like any other: it is in the source and not in the mirror, so the comparison must find it.
        """

    def checksums(self, table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
        """The checksum of every row in one or more small ranges, by the texts of its key. A key that occurs twice has the sum."""


@runtime_checkable
class ListsKeys(Comparable, Protocol):
    """A source that is asked for the keys themselves, so that no row is deleted because of a checksum."""

    def existing(self, table: Table, keys: Collection[tuple[str, ...]], *, since: Position | None = None) -> set[tuple[str, ...]]:
        """Those of the keys, given as texts (`row_checksum.key_text`), that the source has now, in a row that fits or not. Compares texts,
        not checksums.

        Args:
            since: the position of the newest batch. A server that has not come so far must not answer: it lacks rows that are there.

        Raises:
            SourceUnavailable: the server has not come so far yet, such as a standby that lags.
            PositionLost: the server has another history.
        """


@runtime_checkable
class ReadsKeys(Protocol):
    """What holds rows of tables and is asked for those of some keys: to say in which values they differ, and to land them again."""

    def read_keys(self, table: Table, keys: Collection[tuple[str, ...]], *, since: Position | None = None) -> Iterator[Chunk]:
        """The rows of these keys, given as texts (`row_checksum.key_text`), judged by the definition, from one snapshot that is taken after
        the call. A key without a row is left out. `since` and errors as for `ListsKeys.existing`."""
