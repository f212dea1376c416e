"""Which rows a snapshot had not seen: the position of a Postgres table, and the filter that continues from it.

Belongs here: transaction ids and ranges of them, as plain numbers and SQL text. Does not belong here: connections, columns.
"""

# Every row carries the id of the transaction that inserted it (`xmin`). A position says which ids had not committed when its snapshot
# was taken: all from `next` on, and those in the ranges `open` below it. The next reading returns the rows of exactly those.
#
# Why `open` is asked for, id by id, and not taken from the snapshot's own list of transactions in progress: a row inserted under a
# savepoint carries the id of the *sub*transaction, which that list leaves out; nor does a standby fill the list. So, just before the
# snapshot is taken, `pg_xact_status` is asked for each id that may be unfinished, and whatever is not committed stays open. What committed
# before the snapshot is visible in it, subtransactions with their parents. What began and committed in the millisecond in between is
# seen now and once more by the next reading: repeated, never missed.
#
# A row holds the low 32 bits of the id. They are unambiguous as long as the position is less than 2^31 ids old, which `age()`, also 32
# bits wide, needs too; an older position is refused. Freezing a row leaves these bits as they are (since Postgres 9.4), so a row that
# was frozen in the meantime is still found. A row so old that its bits have come round again may be returned once more, which is
# harmless: what is returned is always the row as it is now.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

OLDEST = (1 << 31) - (1 << 22)
"""A position this many transactions old is refused; short of 2^31 by more than a reading can take."""

RENEW = 1 << 30
"""A position this many transactions old is replaced even if no row came, so that a quiet table never comes near `OLDEST`."""

MOST_ASKED = 1_000_000
"""So many ids are asked about at most, which takes about a second; where more may be unfinished, all of them stay open."""

MOST_RANGES = 500
"""So many ranges a position holds at most; the nearest are joined, and what lies between them is read once more."""

_WRAP = 1 << 32

Range = tuple[int, int]
"""Transaction ids from the first number on, up to but without the second; 64 bits wide, so they never wrap."""


@dataclass(frozen=True)
class Unseen:
    """The transactions that a snapshot could not see: all from `next` on, and the ranges `open` below it, ascending and apart."""

    next: int
    open: tuple[Range, ...] = field(default=())

    @property
    def low(self) -> int:
        """The lowest id that was not seen."""
        return self.open[0][0] if self.open else self.next

    def to_ask(self, xmin: int, xmax: int) -> list[Range]:
        """The ids that may have to stay open in a snapshot with these bounds: unseen so far, and not below its oldest running one."""
        ranges = [(max(low, xmin), min(high, xmax)) for low, high in (*self.open, (self.next, xmax))]
        return [(low, high) for low, high in ranges if low < high]

    def age(self, now: int) -> int:
        return now - self.low

    def filter(self, reference: int) -> str:
        """The SQL condition that holds for the rows of these transactions.

        Args:
            reference: the id, 64 bits wide, that `age()` counts from in the transaction where the condition is used.
        """
        # Ages run against ids: the lowest id has the greatest age. The first test alone settles nearly every row; the second is for
        # rows more than 2^31 ids old, whose age comes out negative.
        condition = f"age(xmin) <= {reference - self.low} AND age(xmin) >= 0"
        if not self.open:
            return condition
        ranges = [(0, reference - self.next), *((reference - high + 1, reference - low) for low, high in reversed(self.open))]
        # A position just taken may lie past the reference: then nothing is newer.
        spans = ",".join(f"[{young},{old}]" for young, old in ranges if young <= old)
        return f"{condition} AND age(xmin) <@ '{{{spans}}}'::int4multirange"


def reference_of(age_of_3: int, xmax: int) -> int:
    """The 64-bit id that `age()` counts from, given what it says of id 3 and an upper bound of a snapshot from the same moment."""
    low_bits = (age_of_3 + 3) % _WRAP
    # It is the next id to be given out: at or a little past the snapshot's bound, which is the last finished id and one.
    return xmax + (low_bits - xmax) % _WRAP


def joined(ranges: Sequence[Range], most: int = MOST_RANGES) -> tuple[Range, ...]:
    """The ranges, ascending; where there are more than `most`, the narrowest gaps between them are closed."""
    if len(ranges) <= most:
        return tuple(ranges)
    gaps = sorted(range(1, len(ranges)), key=lambda i: ranges[i][0] - ranges[i - 1][1])
    starts = [0, *sorted(gaps[len(ranges) - most :])]
    ends = [*starts[1:], len(ranges)]
    return tuple((ranges[start][0], ranges[end - 1][1]) for start, end in zip(starts, ends, strict=True))


def asking_sql(ranges: Sequence[Range]) -> str:
    """A statement that gives the ranges of those ids, ascending, that have not committed."""
    ids = " UNION ALL ".join(f"SELECT generate_series({low}::bigint, {high - 1}) AS x" for low, high in ranges)
    return (
        "SELECT min(x), max(x) + 1 FROM (SELECT x, x - row_number() OVER (ORDER BY x) AS run"
        f" FROM ({ids}) asked WHERE pg_xact_status(x::text::xid8) IS DISTINCT FROM 'committed') unfinished GROUP BY run ORDER BY 1"
    )


def count(ranges: Sequence[Range]) -> int:
    return sum(high - low for low, high in ranges)
