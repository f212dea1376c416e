"""The platform of one test, on the session's servers: sources, lake, warehouse, and the command with their addresses.

Belongs here: writing to the sources as an application would, the steps in this process, the command in another, and reading the results.
Does not belong here: causing failures.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg2
from bson import Decimal128

from stori_pipeline.lake import Manifest
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.detect_deletes import detect_deletes
from stori_pipeline.project import find_table
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline.verify import compare
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline.verify.compare import Comparison
from stori_pipeline.warehouse.load import Loaded
from stori_pipeline_tests.commands import Ended, Running, started
from stori_pipeline_tests.databases import at_port, execute
from stori_pipeline_tests.stores import Stores

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the driver's class is lower-case)
    from pymongo.collection import Collection

    from stori_pipeline_tests.conftest import MongoSource, SourceDatabase

BANK = find_table("bank.transactions")
EXCHANGE = find_table("exchange.trades")
NAMES = (BANK.full_name, EXCHANGE.full_name)
"""The tables of a `Platform`: the catalog has more, whose sources are not the test's own."""

ADDRESSES = {
    "source": "STORI_SOURCE_BANK",
    "exchange": "STORI_SOURCE_EXCHANGE",
    "s3": "AWS_ENDPOINT_URL",
    "warehouse": "STORI_WAREHOUSE",
}
"""The settings that say where the servers are, by what a test calls them."""


@dataclass(frozen=True)
class Platform(Stores):
    """`environ` is what `.env` would hold; `folder` is where the command runs."""

    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    bank: SourceDatabase
    exchange: MongoSource

    # ---- the sources

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection of the bank's application; nothing commits unless the test says so."""
        connection = psycopg2.connect(self.bank.admin_url)
        try:
            yield connection
        finally:
            connection.close()

    def write(self, statement: str, *parameters: object) -> None:
        """One committed transaction of the bank's application."""
        execute(self.bank.admin_url, statement, parameters=parameters)

    def move(self, count: int, details: str = "TRF", *, account: str = "409000611074", repeat: int = 1) -> None:
        """That many movements on an account, each a deposit of one, with balances that add up; their text is `details`, repeated."""
        self.write(
            "INSERT INTO transactions (account_no, txn_date, transaction_details, chip_used, value_date, deposit_amt, balance_amt)"
            " SELECT %s, DATE '2017-06-29', repeat(%s, %s), false, DATE '2017-06-29', 1,"
            " n + (SELECT count(*) FROM transactions WHERE account_no = %s) FROM generate_series(1, %s) AS n",
            account,
            details,
            repeat,
            account,
            count,
        )

    def change(self) -> None:
        """Inserts some rows and changes some, silently or not: every later sync must bring them."""
        self.move(7, "LATER")
        self.write("UPDATE transactions SET chip_used = NOT chip_used WHERE transaction_no % 50 = 1")
        self.write("UPDATE transactions SET balance_amt = -balance_amt, updated_at = now() WHERE transaction_no % 70 = 2")

    @property
    def trades(self) -> Collection[dict[str, Any]]:
        """The exchange's collection."""
        return self.exchange.database["trades"]

    def trade(self, first: int, count: int = 1, **fields: object) -> None:
        """So many trades, numbered from `first`."""
        self.trades.insert_many([trade(number) | fields for number in range(first, first + count)])

    # ---- the steps, in this process

    def reader(self, table: Table) -> Reader:
        return reader_for(table.source.kind, self.environ[f"STORI_SOURCE_{table.source.name.upper()}"])

    def land(self, table: Table, **options: Any) -> Manifest | None:
        return sync.land(table, self.reader(table), self.lake, run_id=f"test-{uuid.uuid4().hex[:8]}", **options).manifest

    def sync(self, table: Table) -> tuple[Manifest | None, Loaded | None]:
        return self.land(table), self.load(table)

    def detect_deletes(self, table: Table, *, force: bool = False) -> Manifest | None:
        return detect_deletes(table, self.reader(table), self.lake, self.warehouse, run_id="detect", force=force)

    def verify(self, table: Table) -> Comparison:
        return compare.verify(table, comparable_source(self.reader(table), self.lake), self.warehouse)

    # ---- the command

    def start(self, *arguments: str, **elsewhere: int) -> AbstractContextManager[Running]:
        """`stori …` in a process of its own. `elsewhere` says at which ports it finds servers, by the names in `ADDRESSES`."""
        moved = {ADDRESSES[name]: at_port(self.environ[ADDRESSES[name]], port) for name, port in elsewhere.items()}
        return started(arguments, {**self.environ, **moved}, self.folder)

    def stori(self, *arguments: str, **elsewhere: int) -> Ended:
        with self.start(*arguments, **elsewhere) as running:
            return running.end()

    def address(self, name: str) -> tuple[str, int]:
        url = urlsplit(self.environ[ADDRESSES[name]])
        assert url.hostname is not None
        assert url.port is not None
        return url.hostname, url.port

    # ---- what came of it

    def ledger(self, table: Table) -> list[tuple[int, int]]:
        """Every (generation, batch) that was ever loaded, in order of loading."""
        known = self.query("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'pipeline' AND table_name = 'loads'")
        if known == [(0,)]:
            return []
        loads = self.query(f"SELECT generation, batch FROM pipeline.loads WHERE target = '{table.full_name}' ORDER BY generation, batch")
        return [(int(generation), int(batch)) for generation, batch in loads]

    def assert_equal(self, table: Table, *, loaded_again: bool = False) -> None:
        """Source and mirror have the same rows, no row occurs twice, and no batch was loaded twice unless the test allows it."""
        compared = self.verify(table)
        assert compared.equal, compared
        assert compared.source_rows == compared.warehouse_rows, compared
        key = ", ".join(table.key)
        assert self.query(f"SELECT {key}, COUNT(*) FROM {table.full_name} GROUP BY {key} HAVING COUNT(*) > 1") == []
        loads = self.ledger(table)
        assert loaded_again or len(loads) == len(set(loads)), loads
        newest = self.lake.newest(table)
        assert newest is not None
        assert loads[-1] == newest.order, (loads, newest)


def trade(number: int) -> dict[str, Any]:
    """A document of the exchange."""
    return {
        "id": f"{number:024x}",
        "price": Decimal128(Decimal(1_000 + number % 500) / 10),
        "shares": 1 + number % 900,
        "ticker": "abcd",
        "details": {"system": "abc", "lag": number % 7, "asks": [110.07, 110.12], "bids": [109.9]},
        "time": {"date": "2012-03-03T07:03:00.000Z"},
    }
