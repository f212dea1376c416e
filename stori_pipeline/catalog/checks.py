"""The shipped project's checks in Python, for rules that are hard to write in SQL. The others are files in `sql/checks`.

Belongs here: one function per check. Does not belong here: what a check is (`model.check`), or running one (`defs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stori_pipeline.model.check import check

if TYPE_CHECKING:
    import polars as pl


@check("drops.card_settlements", severity="warn")
def currency_in_iso_4217(card_settlements: pl.LazyFrame) -> pl.LazyFrame:
    """Every currency is a code of ISO 4217."""
    import polars as pl  # here, because commands that check nothing load this module, too
    from iso4217 import Currency

    unknown = ~pl.col("currency").is_in([each.code for each in Currency])
    return card_settlements.filter(unknown).select("settlement_date", "merchant_id", "scheme", "currency", "file")
