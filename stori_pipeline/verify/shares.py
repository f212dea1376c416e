"""Which part of a table is compared next, where comparing the whole table each time would cost its source too much.

Belongs here: cutting a table's keys into shares of about equal numbers of rows. Does not belong here: when a share is enough (`proof`), or
comparing it (`compare`).
"""

from __future__ import annotations

from stori_pipeline.model.comparable import Comparable
from stori_pipeline.model.row_checksum import KeyRange
from stori_pipeline.model.table import Table

SHARES = 16
"""So many proofs of a share compare every row of a table."""

SMALL = 20_000
"""Up to this many rows, a table is compared as a whole each time."""

_BUCKETS = 256


def next_share(table: Table, mirror: Comparable, rows: int, keys: KeyRange, after: int | None) -> KeyRange:
    """The share that was compared longest ago: it begins where the last one ended, and at the first key after the last key.

    Asks only the mirror, for the number of rows in ranges of keys: keys may be spread unevenly.

    Args:
        rows: the mirror's rows.
        keys: a range that contains the keys of source and mirror.
        after: where the last share ended; None if there was none.
    """
    start = after if after is not None and keys.low < after < keys.high else keys.low
    enough = -(-rows // SHARES)
    end = _end_of(table, mirror, KeyRange(start, keys.high), enough)
    return KeyRange(start, end)


def _end_of(table: Table, mirror: Comparable, keys: KeyRange, enough: int) -> int:
    """Where so many rows from the beginning of the range end, give or take the rows of one bucket."""
    while True:
        width = keys.width(_BUCKETS)
        counted = mirror.digests(table, keys, width, keys_only=True)
        for number in sorted(counted):
            rows = counted[number].rows
            if rows >= enough:
                bucket = keys.bucket(number, width)
                if rows < 2 * enough or width == 1:
                    return bucket.high
                keys = bucket  # too many rows are in one bucket
                break
            enough -= rows
        else:
            return keys.high
