"""The star tables in the warehouse, compared with a recomputation by the source's own database: plain SQL, one file of `recomputed` per
table, written independently of the functions.

One small company for the whole module: its database, its lake, its mirrors and star tables. Each test changes something, lets it arrive,
and compares everything; only the first test is about the initial state.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date as day
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from stori_pipeline.catalog import totesys as catalog
from stori_pipeline.lake import Lake
from stori_pipeline.local.samples.totesys import late_order, simulate_day, write_past
from stori_pipeline.local.servers import COPY_ROLE
from stori_pipeline.local.stack import Stack
from stori_pipeline.model.changes import History
from stori_pipeline.model.sql_check import parse_check
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.pipeline.detect_deletes import detect_deletes
from stori_pipeline.project import CHECKS_FOLDER
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.shipped import STARS
from stori_pipeline_tests.star import recomputed
from stori_pipeline_tests.stores import Stores

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RECOMPUTED = Path(recomputed.__path__[0])
FACTS = {
    name: each.inputs[next(iter(each.inputs))].partition(".")[2] for name, each in STARS.items() if isinstance(each.table.changes, History)
}
"""The facts, each with the source's table that it is a history of."""
RECORDS = {table.full_name: table for table in (*catalog.TABLES, *(star.table for star in STARS.values()))}


@dataclass(frozen=True)
class Totesys(Stores):
    """The trading system and everything that is derived from it. `admin_url` is the application's."""

    admin_url: str = field(repr=False)
    reader: PostgresReader

    def write(self, *statements: str) -> None:
        """One transaction of the application."""
        execute(self.admin_url, *statements)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        return execute(self.admin_url, statement)

    def land(self, **more: Any) -> set[str]:
        """The tables of which something landed."""
        return {t.full_name for t in catalog.TABLES if sync.land(t, self.reader, self.lake, run_id="land", **more).manifest}

    def arrive(self, moved: Collection[str] = tuple(RECORDS), *, full: bool = False) -> None:
        """What has landed of these tables reaches their mirrors, and the star tables that are derived from them."""
        reached = set(moved)
        for table in catalog.TABLES:
            if table.full_name in reached:
                self.load(table)
        for each in STARS.values():
            if reached & {each.table.full_name, *each.inputs.values()}:
                reached.add(each.table.full_name)
                derive(each, self.lake, self.processed, tables=RECORDS, run_id="derive", full=full)
                sync.load(each.table, self.processed, self.warehouse, run_id="load")

    def sync(self) -> None:
        self.arrive(self.land())

    def detect_deletes(self) -> None:
        """Rows that the source has deleted are looked for, and what is found arrives."""
        self.arrive(
            {t.full_name for t in catalog.TABLES if detect_deletes(t, self.reader, self.lake, self.warehouse, run_id="detect_deletes")}
        )

    def present(self, name: str, columns: list[str]) -> Counter[tuple[Any, ...]]:
        """The rows of a star table, of a fact only the versions that are present."""
        relation = f"star.{name}_current" if name in FACTS else f"star.{name}"
        return Counter(self.warehouse.query(f"SELECT {', '.join(columns)} FROM {relation}"))

    def differences(self) -> dict[str, tuple[list[Any], list[Any]]]:
        """For each star table that is not what the source's database makes of its rows: what it lacks and what it has too much."""
        found = {}
        for name, each in STARS.items():
            columns, expected = self.recomputed(name)
            assert columns == own_columns(each.table), f"recomputed/{name}.sql has other columns than star.{name}"
            has = self.present(name, columns)
            if has != expected:
                found[name] = (sorted((expected - has).elements()), sorted((has - expected).elements()))
        return found

    def recomputed(self, name: str) -> tuple[list[str], Counter[tuple[Any, ...]]]:
        with closing(psycopg2.connect(self.admin_url)) as connection, connection.cursor() as cursor:
            cursor.execute((RECOMPUTED / f"{name}.sql").read_text(encoding="utf-8"))
            return [column.name for column in cursor.description or ()], Counter(cursor.fetchall())

    def findings(self) -> dict[str, list[tuple[Any, ...]]]:
        """What the checks of `sql/checks` find in the mirrors and the star tables."""
        files = [file for source in ("totesys", "star") for file in sorted((CHECKS_FOLDER / source).rglob("*.sql"))]
        found = {f"{file.parent.name}/{file.stem}": self.warehouse.query(parse_check(file).statement, what=str(file)) for file in files}
        return {name: rows for name, rows in found.items() if rows}

    def versions(self) -> dict[str, int]:
        """How many versions each fact has, by the name of the source's table."""
        return {of: self.warehouse.query(f"SELECT COUNT(*) FROM star.{fact}")[0][0] for fact, of in FACTS.items()}

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All star tables as they are, every version with its number and when it was observed."""
        return {
            table.name: sorted(self.warehouse.query(f"SELECT {', '.join(c.name for c in table.columns)} FROM {table.full_name}"), key=repr)
            for table in (star.table for star in STARS.values())
        }


def own_columns(table: Table) -> list[str]:
    """A star table's columns but for those that only the pipeline can know: a version's number, when it was seen, whether it is gone."""
    apart = (*table.key, "_observed_at", "_removed") if isinstance(table.changes, History) else ()
    return [column.name for column in table.columns if column.name not in apart]


@pytest.fixture(scope="module")
def company(sources: Stack, s3: S3Client, warehouse_url: str) -> Iterator[Totesys]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    landing, processed = (f"{name}-{each}".replace("_", "-") for each in ("landing", "processed"))
    sources.create_source_database(name)
    for bucket in (landing, processed):
        s3.create_bucket(Bucket=bucket)
    drop_schemas(warehouse_url, "totesys", "star")
    stores = Stores(s3, landing, Lake(s3, landing), Lake(s3, processed), Warehouse(warehouse_url, COPY_ROLE), warehouse_url)
    system = Totesys(
        **vars(stores),
        admin_url=sources.postgres_url("sources", "app", name),
        reader=PostgresReader(sources.postgres_url("sources", "reader", name)),
    )
    write_past(system.admin_url, until=day(2022, 11, 14), seed=3)
    system.sync()
    # A silent edit and a payment: a history to lose.
    system.write("UPDATE sales_order SET design_id = design_id % 2 + 1 WHERE sales_order_id BETWEEN 4 AND 6")
    system.write("UPDATE payment SET paid = NOT paid, last_updated = '2022-11-14 07:55:00.012' WHERE payment_id > 20")
    system.sync()
    yield system
    drop_schemas(warehouse_url, "totesys", "star")
    sources.drop_source_database(name)


def test_the_star_tables_hold_the_past_and_its_first_changes_row_by_row(company: Totesys) -> None:
    assert {each.name for each in STARS.values()} == {file.stem for file in RECOMPUTED.glob("*.sql")}
    assert company.differences() == {}
    assert company.findings() == {}
    assert min(company.versions().values()) > 0


def test_a_day_of_traffic_adds_one_version_of_each_written_row(company: Totesys) -> None:
    before = company.versions()
    with late_order(company.admin_url, day(2022, 11, 15), seed=3) as late:
        truth = simulate_day(company.admin_url, day(2022, 11, 15), seed=3)
        company.sync()
        assert company.differences() == {}
        seen = {table: before[table] + len(truth.keys(table)) for table in before}
        assert company.versions() == seen
    company.sync()  # what was stamped in the morning is committed only now
    assert company.differences() == {}
    assert company.versions() == {table: count + sum(change.table == table for change in late) for table, count in seen.items()}
    assert {change.kind for change in (*truth.changes, *late)} == {"insert", "update", "silent"}


def test_changes_reach_every_table_downstream(company: Totesys) -> None:
    before = company.everything()
    company.write(
        # A department moves and another loses its town: of the staff, no row changes.
        "UPDATE department SET location = 'Hull', last_updated = now() WHERE department_id = 2",
        "UPDATE department SET location = NULL WHERE department_id = 3",
        "UPDATE staff SET department_id = 4, last_name = 'O''Hara' WHERE staff_id = 1",
        # An address is a location, and that of companies.
        "UPDATE address SET city = 'Ōsaka', district = NULL, postal_code = '00042'"
        " WHERE address_id IN (SELECT legal_address_id FROM counterparty)",
        "INSERT INTO currency (currency_code, last_updated) VALUES ('JPY', now()), ('QQQ', now())",
        "UPDATE design SET file_location = '/elsewhere' WHERE design_id = 1",
        "UPDATE payment_type SET payment_type_name = 'PURCHASE_REFUND' WHERE payment_type_id = 2",
        # Silently: a date of another year, into which the calendar must grow; and one row twice in one transaction.
        "UPDATE sales_order SET agreed_delivery_date = '2024-02-29' WHERE sales_order_id = 1",
        "UPDATE sales_order SET currency_id = 2 WHERE sales_order_id = 2",
        "UPDATE sales_order SET currency_id = 3 WHERE sales_order_id = 2",
        "UPDATE purchase_order SET item_code = 'ZZZZZZ0', item_unit_price = 0.01, last_updated = '2022-11-15 23:59:59.999'"
        " WHERE purchase_order_id = 1",
        # Written again without a change.
        "UPDATE sales_order SET currency_id = currency_id WHERE sales_order_id = 3",
    )
    company.sync()
    assert company.differences() == {}
    after = company.everything()
    assert {name for name in after if after[name] != before[name]} == set(STARS) - {"fact_payment", "dim_transaction"}
    assert {name: len(after[name]) - len(before[name]) for name in FACTS} == {
        "fact_sales_order": 2,
        "fact_purchase_orders": 1,
        "fact_payment": 0,
    }


def test_a_deleted_row_leaves_the_present_and_stays_in_the_history(company: Totesys) -> None:
    ((order, transaction, payment),) = company.ask(
        "SELECT sales_order_id, transaction_id, payment_id FROM transaction JOIN payment USING (transaction_id)"
        " WHERE sales_order_id IS NOT NULL ORDER BY transaction_id DESC LIMIT 1"
    )
    before = company.versions()
    company.write(f"DELETE FROM payment WHERE payment_id = {payment}", f"DELETE FROM transaction WHERE transaction_id = {transaction}")
    company.write(f"DELETE FROM sales_order WHERE sales_order_id = {order}")
    company.detect_deletes()
    assert company.differences() == {}
    assert company.versions() == before | {"sales_order": before["sales_order"] + 1, "payment": before["payment"] + 1}
    ((removed, units),) = company.warehouse.query(
        f"SELECT _removed, units_sold FROM star.fact_sales_order WHERE sales_order_id = {order} ORDER BY sales_record_id DESC LIMIT 1"
    )
    assert removed
    assert units > 0


# ---- a real mess leaves every star table as it was, the versions' numbers included


def _everything_is_landed_again(company: Totesys) -> None:
    company.land(full=True)
    company.arrive()


def _a_day_is_landed_again(company: Totesys) -> None:
    company.land(day=day(2022, 11, 14))
    company.arrive()


def _the_stars_are_made_from_all_batches(company: Totesys) -> None:
    company.arrive(full=True)


def _the_warehouse_is_dropped(company: Totesys) -> None:
    drop_schemas(company.warehouse_url, "star", "totesys", "pipeline")
    company.arrive()


MESSES = [_everything_is_landed_again, _a_day_is_landed_again, _the_stars_are_made_from_all_batches, _the_warehouse_is_dropped]


@pytest.mark.parametrize("mess", MESSES, ids=lambda mess: mess.__name__.strip("_"))
def test_the_star_tables_and_their_version_numbers_survive_a_mess(company: Totesys, mess: Any) -> None:
    before = company.everything()
    mess(company)
    assert company.everything() == before
    assert company.differences() == {}
