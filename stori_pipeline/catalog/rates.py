"""Daily exchange rates, from an HTTP API."""

from datetime import date as day

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import date, decimal, varchar
from stori_pipeline.readers.http_api import ByDay, Plausible

SOURCE = Source(
    name="rates",
    kind="http_api",
    description="Exchange rates as a central bank publishes them, a day at a time.",
    owners=("team:finance",),
)

TABLES = (
    Table(
        source=SOURCE,
        name="daily",
        description="One row per day, base and currency: how much of the currency one unit of the base buys.",
        columns=(
            Column("rate_date", date, nullable=False, path="date", description="The day of publication; weekends and holidays have none."),
            Column("base", varchar(3), nullable=False, description="The currency of which one unit is meant, by its ISO 4217 code."),
            Column("currency", varchar(3), nullable=False, description="The other currency."),
            Column("rate", decimal(18, 8), nullable=False, description="How much of it one unit of the base buys."),
        ),
        key=("rate_date", "base", "currency"),
        changes=ByDay(
            start=day(2022, 11, 1),  # before the first order, so that every amount has a rate
            path="{day}",
            latest="latest",
            day_at="date",
            rows_at="rates",
            entry=("currency", "rate"),
            unchanging=("base",),
            expected=(("amount", 1),),
            rules=(Plausible("rate", per=("currency",), above=0, factor=10),),
        ),
        cursor="rate_date",
        # One implausible rate among a day's few must not hold up the others.
        max_rejected=0.5,
        sortkey=("rate_date",),
    ),
)
