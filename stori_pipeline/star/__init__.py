"""Which star tables there are and how each is made: pure functions of polars frames, named after the table they make.

A function's parameters are its inputs. Nothing here reads, writes or knows where rows are kept. Its modules: `record` (what a star
table is), one per system of sources (its star tables), `history` (versions of rows).
"""

from __future__ import annotations

from stori_pipeline.spec import SpecError, Table
from stori_pipeline.star import totesys
from stori_pipeline.star.record import STAR, STARS, Star

__all__ = ["STAR", "STARS", "TABLES", "Star", "find", "totesys"]

TABLES: tuple[Table, ...] = tuple(each.table for each in STARS.values())


def find(name: str) -> Star:
    """The star table of that name, which may be given in full: `fact_payment` or `star.fact_payment`.

    Raises:
        SpecError: there is none; the message lists those that exist.
    """
    try:
        return STARS[name.removeprefix(f"{STAR.name}.")]
    except KeyError:
        raise SpecError(f"there is no star table {name!r}; there are {', '.join(STARS)}") from None
