"""Ranges of a table's pages, each of which can be read by itself.

Belongs here: dividing pages into ranges, and the SQL that selects a range's rows. Does not belong here: who reads a range (`several`).
"""

# A snapshot sees at most one version of a row, and a version never moves. So the ranges have every row of the snapshot once, whatever is
# written meanwhile. Their sizes are a matter of balance only: the last range has no end, and has what was added since pages were counted.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PageRange:
    """The rows in the pages from `low`, up to `high`, which is excluded; to the end of the table if it is None."""

    low: int
    high: int | None

    @property
    def condition(self) -> str:
        """SQL for WHERE, with which Postgres 14 and later read these pages only; "" if it is the whole table."""
        bounds = [f"ctid >= '({self.low},0)'::tid"] if self.low else []
        if self.high is not None:
            bounds.append(f"ctid < '({self.high},0)'::tid")
        return " AND ".join(bounds)


def page_ranges(sizes: Sequence[int], count: int) -> list[PageRange]:
    """Divides a table into at most `count` ranges, each with about as many pages.

    Args:
        sizes: the pages of the table or, of a table with partitions or children, of each of them. A range has these pages of every one.
    """
    ordered = sorted(sizes)
    cuts = sorted({cut for part in range(1, count) if (cut := _cut(ordered, sum(ordered) * part // count))})
    return [PageRange(low, high) for low, high in zip([0, *cuts], [*cuts, None], strict=True)]


def _cut(ordered: Sequence[int], pages: int) -> int:
    """The page below which all tables together have so many pages."""
    done = 0
    for place, size in enumerate(ordered):
        larger = len(ordered) - place
        if done + size * larger >= pages:
            return (pages - done) // larger
        done += size
    return ordered[-1] if ordered else 0
