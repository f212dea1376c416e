"""Small graphs: two source tables alone, and a star schema with reports, in which one star table can be made to fail."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from stori_pipeline.model.project import Project
from stori_pipeline.model.report import load_reports
from stori_pipeline.model.star import StarSchema, carried
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import bigint
from stori_pipeline.project import CHECKS_FOLDER
from stori_pipeline_tests.platforms import BANK, EXCHANGE

PLAIN = Project((BANK, EXCHANGE), checks=CHECKS_FOLDER)
"""Two source tables of two kinds, with nothing made of them but their mirrors."""

REFERENCE = "ticker_exists"
_CHECK = """\
-- severity: warn
-- Every movement's details name a ticker that there is.
SELECT movement_record_id, details FROM star.fact_movement AS f
WHERE NOT EXISTS (SELECT 1 FROM star.dim_ticker AS d WHERE d.ticker = f.details)
"""
_REPORTS = {
    "movements_by_ticker": (
        "-- Movements by ticker.\n"
        "SELECT d.ticker, COUNT(*) AS movements FROM star.fact_movement AS f JOIN star.dim_ticker AS d ON d.ticker = f.details"
        " GROUP BY d.ticker"
    ),
    "busiest_ticker": (
        "-- How many the busiest has.\n-- materialized: table\nSELECT MAX(movements) AS movements FROM reports.movements_by_ticker"
    ),
    "trades_by_system": "-- Trades by system.\nSELECT system, COUNT(*) AS trades FROM exchange.trades GROUP BY system",
}


SCHEMA = StarSchema(BANK, EXCHANGE)


@SCHEMA.star_table(
    Column("movement_record_id", bigint, nullable=False),
    carried("transactions.transaction_no"),
    carried("transactions.transaction_details", "details"),
    carried("transactions.balance_amt", nullable=True),
    key="movement_record_id",
    history="transaction_no",
)
def fact_movement(transactions: pl.LazyFrame) -> pl.LazyFrame:
    return transactions.rename({"transaction_details": "details"})


@SCHEMA.star_table(carried("trades.ticker", nullable=False), Column("trades", bigint, path="trades.ticker"), key="ticker")
def dim_ticker(trades: pl.LazyFrame) -> pl.LazyFrame:
    return trades.group_by("ticker").agg(pl.len().cast(pl.Int64).alias("trades")).drop_nulls()


@SCHEMA.star_table(carried("transactions.account_no"), key="account_no")
def dim_account(transactions: pl.LazyFrame) -> pl.LazyFrame:
    if transactions.filter(pl.col("transaction_details") == "BOOM").collect().height:
        raise ValueError("an account was asked to fail")
    return transactions.select("account_no").unique()


def small_star(folder: Path) -> Project:
    """The graph; its reports and its check are files in that folder."""
    check = folder / "checks" / "star" / "fact_movement" / f"{REFERENCE}.sql"
    check.parent.mkdir(parents=True)
    check.write_text(_CHECK)
    reports = folder / "reports"
    reports.mkdir()
    for name, statement in _REPORTS.items():
        (reports / f"{name}.sql").write_text(statement)
    loaded = load_reports(reports, (BANK, EXCHANGE), {star.name: star for star in SCHEMA.stars})
    return Project((BANK, EXCHANGE), SCHEMA.stars, tuple(loaded), folder / "checks")
