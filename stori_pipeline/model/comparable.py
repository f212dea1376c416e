"""What can be compared: something that holds rows of a table and can give their checksums.

Belongs here: the three questions of a comparison, asked of the warehouse, of the lake and of most readers. Does not belong here: what a
checksum is (`row_checksum`), or comparing (`verify`).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from stori_pipeline.model.row_checksum import Digest, KeyRange
from stori_pipeline.model.table import Table


@runtime_checkable
class Comparable(Protocol):
    """What holds rows of tables and can be compared with another that does."""

    def key_range(self, table: Table) -> tuple[int, KeyRange]:
        """How many rows there are now, and the range in which all their partition values lie."""

    def digests(self, table: Table, key_range: KeyRange, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        """The digest of each bucket of `width` partition values in the range, by the bucket's number. A bucket without rows is left out.

        Computed in the engine that holds the rows where that has an md5, otherwise from a bounded stream of rows. A row of a source that
        does not fit its definition counts like any other: it is in the source and not in the mirror, so it must show.
        """

    def checksums(self, table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
        """The checksum of every row in one or more small ranges, by the texts of its key; the sum, where a key occurs more than once."""
