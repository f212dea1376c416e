"""The pipeline's surroundings for tests of its graph: sources, a lake, a warehouse and an instance of Dagster of their own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from dagster import DagsterInstance, Definitions, instance_for_test
from pymongo.collection import Collection

from stori_pipeline.defs.build import build_defs
from stori_pipeline.lake import Lake, connect
from stori_pipeline.local.samples.bank_import import create_schema
from stori_pipeline.local.samples.exchange_import import create_collection
from stori_pipeline.model.project import Project
from stori_pipeline.project import CHECKS_FOLDER, find_table
from stori_pipeline.settings import Settings
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.conftest import MongoSource, SourceDatabase, bucket
from stori_pipeline_tests.defs.ticks import Sensor

BANK = find_table("bank.transactions")
EXCHANGE = find_table("exchange.trades")
PLAIN = Project((BANK, EXCHANGE), checks=CHECKS_FOLDER)
"""A graph of two source tables of two kinds, with nothing made of them but their mirrors."""


@dataclass(frozen=True)
class World:
    """The surroundings of one test. The environment says where they are, as it does for the pipeline."""

    bank_url: str
    trades: Collection[dict[str, Any]]
    lake: Lake
    processed: Lake
    warehouse: Warehouse
    bucket: str

    def bank(self, statement: str, *parameters: object) -> None:
        """One committed transaction of the bank's application."""
        connection = psycopg2.connect(self.bank_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
        finally:
            connection.close()

    def move(self, count: int = 1, *, account: str = "409000611074", details: str = "TRF") -> None:
        """So many movements on an account, each a deposit of one, with balances that add up."""
        self.bank(
            "INSERT INTO transactions (account_no, txn_date, transaction_details, chip_used, value_date, deposit_amt, balance_amt)"
            " SELECT %s, DATE '2017-06-29', %s, false, DATE '2017-06-29', 1, n + (SELECT count(*) FROM transactions WHERE account_no = %s)"
            " FROM generate_series(1, %s) AS n",
            account,
            details,
            account,
            count,
        )

    def trade(self, number: int) -> None:
        self.trades.insert_one(
            {
                "id": f"{number:024x}",
                "price": 110,
                "shares": 200,
                "ticker": "abcd",
                "details": {"system": "abc", "lag": 0, "asks": [110.07, 110.12], "bids": [109.9]},
                "time": {"date": "2012-03-03T07:03:00.000Z"},
            }
        )

    def mirrored(self, statement: str) -> list[tuple[Any, ...]]:
        return self.warehouse.query(statement)


processed_bucket = bucket
"""Another one."""


@pytest.fixture
def world(
    environ: dict[str, str],
    source_db: SourceDatabase,
    mongo_db: MongoSource,
    bucket: str,
    processed_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[World]:
    told = environ | {"STORI_SOURCE_BANK": source_db.reader_url, "STORI_SOURCE_EXCHANGE": mongo_db.url}
    told |= {"STORI_LANDING_BUCKET": bucket, "STORI_PROCESSED_BUCKET": processed_bucket}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # a developer's own `.env` must not be read
    create_schema(source_db.admin_url)
    create_collection(mongo_db.admin_url)
    settings = Settings.load()
    warehouse = Warehouse(settings.warehouse_url, settings.copy_role)
    _forget(warehouse)
    s3 = connect()
    yield World(source_db.admin_url, mongo_db.database["trades"], Lake(s3, bucket), Lake(s3, processed_bucket), warehouse, bucket)
    _forget(warehouse)


def _forget(warehouse: Warehouse) -> None:
    """The mirrors have one name each, so they are dropped between tests, and the ledger with them: it knows generations by the clock, which
    may have been set back since."""
    with warehouse.session("clean-up") as connection, connection.cursor() as cursor:
        for schema in (BANK.source.name, EXCHANGE.source.name, "star", "reports", "pipeline"):
            cursor.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        connection.commit()


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    """An instance of Dagster with the pools of `dagster.yaml`."""
    with instance_for_test(overrides={"concurrency": {"pools": {"default_limit": 1, "granularity": "op"}}}) as made:
        yield made


@pytest.fixture(scope="module")
def defs() -> Definitions:
    """The definitions of the plain graph."""
    return build_defs(PLAIN)


@pytest.fixture
def sensor(defs: Definitions, instance: DagsterInstance) -> Sensor:
    """The sensor of the plain graph, which has not ticked yet."""
    return Sensor(defs, instance)


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def at_port(url: str, port: int) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")
