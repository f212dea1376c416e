"""The source `rates`: daily exchange rates, from an HTTP API.

Belongs here: definitions. Does not belong here: what a definition means (`model`).
"""

from datetime import date as day
from datetime import timedelta

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import date, decimal, varchar
from stori_pipeline.readers.http_api import ByDay, Plausible

SOURCE = Source(
    name="rates",
    kind="http_api",
    description="Daily exchange rates, as a central bank publishes them.",
    owners=("team:finance",),
    target_lag=timedelta(minutes=10),  # it publishes once a day, and each look is a request to somebody else's server
)

TABLES = (
    Table(
        source=SOURCE,
        name="daily",
        description="One row per day, base currency and other currency: the price of one unit of the base.",
        columns=(
            Column(
                "rate_date", date, nullable=False, path="date", description="The day of publication; weekends and holidays have no rates."
            ),
            Column("base", varchar(3), nullable=False, description="The base currency; ISO 4217 code."),
            Column("currency", varchar(3), nullable=False, description="The other currency; ISO 4217 code."),
            Column("rate", decimal(18, 8), nullable=False, description="The price of one unit of the base, in the other currency."),
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
            rules=(Plausible("rate", per=("currency",), above=0, factor=2),),
        ),
        cursor="rate_date",
        # A day has few rates: one implausible rate must not block the others.
        max_rejected=0.5,
        sortkey=("rate_date",),
    ),
)
