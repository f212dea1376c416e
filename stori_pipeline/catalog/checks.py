"""The shipped project's rules in Python: those that SQL says badly. The others are files of `sql/checks`.

Belongs here: one function a rule. Does not belong here: what a check is (`model.check`), or running one (`defs`).
"""

from __future__ import annotations

import polars as pl
from iso4217 import Currency

from stori_pipeline.model.check import check


@check("drops.card_settlements", severity="warn")
def currency_in_iso_4217(card_settlements: pl.LazyFrame) -> pl.LazyFrame:
    """Every currency is one of ISO 4217."""
    unknown = ~pl.col("currency").is_in([each.code for each in Currency])
    return card_settlements.filter(unknown).select("settlement_date", "merchant_id", "scheme", "currency", "file")
