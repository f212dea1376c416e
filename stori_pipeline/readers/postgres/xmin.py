"""The transactions that a snapshot did not see, and the filter that selects their rows.

Belongs here: transaction ids and ranges of them, as plain numbers and SQL text. Does not belong here: connections, or columns.
"""

# Every row has the id of the transaction that inserted it (`xmin`). A position says which ids had not committed when its snapshot was
# taken: all ids from `next` on, and the ids in the ranges `open` below it. The next reading returns exactly the rows of these ids.
#
# The snapshot's own list of transactions in progress is not enough for `open`: a row inserted under a savepoint has the id of a
# *sub*transaction, which the list omits, and a standby leaves the list empty. So, just before the snapshot is taken, `pg_xact_status` is
# called for each id that may be unfinished, and every id that is not committed stays open. A transaction that committed before the snapshot
# is visible in it, with its subtransactions. A transaction that began and committed in the millisecond in between is read now and again by
# the next reading: repeated, never missed.
#
# A row holds the low 32 bits of the id. They are unambiguous while the position is less than 2^31 ids old; `age()`, also 32 bits wide, has
# the same limit. An older position is refused. Freezing a row does not change these bits (since Postgres 9.4), so a row that was frozen
# since is still found. A row so old that its bits have wrapped around may be returned again, which is harmless: the reader always returns
# the current row.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

OLDEST = (1 << 31) - (1 << 22)
"""The age in transactions above which a position is refused: 2^31 minus a margin for the transactions that run during a reading."""

RENEW = 1 << 30
"""The age in transactions above which a position is replaced even if no row changed, so that an idle table never gets near `OLDEST`."""

MOST_ASKED = 1_000_000
"""The largest number of ids whose status is queried, which takes about a second. If more may be unfinished, all of them stay open."""

MOST_RANGES = 500
"""The largest number of ranges in a position. If there are more, the nearest are joined, and the ids between them are read again."""

_WRAP = 1 << 32

Range = tuple[int, int]
"""Transaction ids from the first number to the second, which is excluded; 64 bits wide, so they never wrap."""


@dataclass(frozen=True)
class Unseen:
    """The transactions that a snapshot did not see: all from `next` on, and the ranges `open` below it, ascending and disjoint."""

    next: int
    open: tuple[Range, ...] = field(default=())

    @property
    def low(self) -> int:
        """The lowest unseen id."""
        return self.open[0][0] if self.open else self.next

    def to_ask(self, xmin: int, xmax: int) -> list[Range]:
        """The ids whose status must be queried for a snapshot with these bounds: unseen so far, and not below its oldest running id."""
        ranges = [(max(low, xmin), min(high, xmax)) for low, high in (*self.open, (self.next, xmax))]
        return [(low, high) for low, high in ranges if low < high]

    def age(self, now: int) -> int:
        return now - self.low

    def filter(self, reference: int) -> str:
        """The SQL condition that selects the rows of these transactions.

        Args:
            reference: the 64-bit id from which `age()` counts in the transaction that uses the condition.
        """
        # The lowest id has the greatest age. The first test decides for nearly every row; the second excludes rows more than 2^31 ids
        # old, whose age is negative.
        condition = f"age(xmin) <= {reference - self.low} AND age(xmin) >= 0"
        if not self.open:
            return condition
        ranges = [(0, reference - self.next), *((reference - high + 1, reference - low) for low, high in reversed(self.open))]
        # A position just taken may be past the reference; then no id is newer.
        spans = ",".join(f"[{young},{old}]" for young, old in ranges if young <= old)
        return f"{condition} AND age(xmin) <@ '{{{spans}}}'::int4multirange"


def reference_of(age_of_3: int, xmax: int) -> int:
    """The 64-bit id from which `age()` counts, given the age of id 3 and the upper bound of a snapshot of the same moment."""
    low_bits = (age_of_3 + 3) % _WRAP
    # It is the next id to be assigned: at or slightly past the snapshot's bound, which is one more than the last finished id.
    return xmax + (low_bits - xmax) % _WRAP


def joined(ranges: Sequence[Range], most: int = MOST_RANGES) -> tuple[Range, ...]:
    """The ranges, ascending. If there are more than `most`, the narrowest gaps between them are closed."""
    if len(ranges) <= most:
        return tuple(ranges)
    gaps = sorted(range(1, len(ranges)), key=lambda i: ranges[i][0] - ranges[i - 1][1])
    starts = [0, *sorted(gaps[len(ranges) - most :])]
    ends = [*starts[1:], len(ranges)]
    return tuple((ranges[start][0], ranges[end - 1][1]) for start, end in zip(starts, ends, strict=True))


def asking_sql(ranges: Sequence[Range]) -> str:
    """SQL that returns the ranges of the given ids that have not committed, ascending."""
    ids = " UNION ALL ".join(f"SELECT generate_series({low}::bigint, {high - 1}) AS x" for low, high in ranges)
    return (
        "SELECT min(x), max(x) + 1 FROM (SELECT x, x - row_number() OVER (ORDER BY x) AS run"
        f" FROM ({ids}) asked WHERE pg_xact_status(x::text::xid8) IS DISTINCT FROM 'committed') unfinished GROUP BY run ORDER BY 1"
    )


def count(ranges: Sequence[Range]) -> int:
    return sum(high - low for low, high in ranges)
