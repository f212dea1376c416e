"""The exact SQL of the warehouse: the DDL, which is under sql/warehouse for people to read, and the statements of whole loads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from stori_pipeline.model.row_checksum import KeyRange, digests_sql, key_range_sql, row_checksums_sql
from stori_pipeline.model.source import Source
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, super_, time, varchar
from stori_pipeline.project import find_table
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.warehouse import dialect
from stori_pipeline.warehouse.proofs import CREATE_PROOFS
from stori_pipeline_tests import golden
from stori_pipeline_tests.databases import drop_schemas
from stori_pipeline_tests.shipped import STARS, TABLES
from stori_pipeline_tests.stores import StoredTable, StoreTable
from stori_pipeline_tests.warehouse.statements import Recorder

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.full_name)
def test_golden_ddl_of_every_mirror(table: Table) -> None:
    golden.check(ROOT / "sql" / "warehouse" / f"{table.full_name}.sql", f"{dialect.create_mirror(table)};\n")


@pytest.mark.parametrize("star", STARS.values(), ids=lambda star: star.name)
def test_golden_ddl_of_every_star_table_and_its_views(star: Star) -> None:
    ddl = [dialect.create_mirror(star.table), *dialect.create_views(star.table)]
    golden.check(ROOT / "sql" / "warehouse" / "star" / f"{star.name}.sql", ";\n\n".join(ddl) + ";\n")


def test_golden_ddl_of_the_proofs() -> None:
    golden.check(ROOT / "sql" / "warehouse" / "pipeline.proofs.sql", f"{CREATE_PROOFS};\n")


def test_golden_ddl_of_the_ledger() -> None:
    golden.check(ROOT / "sql" / "warehouse" / "pipeline.loads.sql", f"{dialect.CREATE_LEDGER};\n")


# ---- whole loads


def _bank(number: int, **values: object) -> dict[str, object]:
    day, moment = date(2017, 6, 29), datetime(2017, 6, 29, 12, tzinfo=timezone.utc)
    fields = {"account_no": "1", "txn_date": day, "value_date": day, "chip_used": False, "balance_amt": Decimal(1), "updated_at": moment}
    return {"transaction_no": number, **fields, **values}


def _payment(number: int, **values: object) -> dict[str, object]:
    day, moment = date(2024, 11, 14), datetime(2024, 11, 14, 9, 30, tzinfo=timezone.utc)
    references = dict.fromkeys(("payment_id", "transaction_id", "counterparty_id", "currency_id", "payment_type_id"), number)
    days = dict.fromkeys(("created_date", "last_updated_date", "payment_date"), day)
    times = dict.fromkeys(("created_time", "last_updated_time"), "09:30:00.000000")
    rest = {"payment_amount": Decimal(1), "paid": False, "_observed_at": moment, "_removed": False}
    return {"payment_record_id": number, **references, **days, **times, **rest, **values}


READINGS = Table(
    Source("shop", "postgres", "A shop."),
    "readings",
    (
        Column("sensor", varchar(16), nullable=False),
        Column("number", bigint, nullable=False),
        Column("at", time),
        Column("detail", super_),
    ),
    ("sensor", "number"),
    Xmin(),
)
"""Its composite key is no integer, and two of its types are expressions in the load: TIME and SUPER."""


def _reading(number: int, **values: object) -> dict[str, object]:
    return {"sensor": "a", "number": number, "at": "09:30:00.000000", "detail": b'{"a": [1]}', **values}


ARCHETYPES: dict[str, tuple[Table, Callable[..., dict[str, object]]]] = {
    "mirror": (find_table("bank.transactions"), _bank),
    "mirror_that_keeps_deleted_rows": (replace(find_table("bank.transactions"), keep_deleted=True), _bank),
    "history": (STARS["fact_payment"].table, _payment),
    "composite_key_time_and_super": (READINGS, _reading),
}


@pytest.mark.parametrize("name", ARCHETYPES)
def test_golden_statements_of_a_whole_load_as_they_are_sent(name: str, store: StoreTable) -> None:
    table, row = ARCHETYPES[name]
    recorder = Recorder(store(table))
    stored, key = recorder.stored, {each: row(2)[each] for each in table.key}

    def load(stored: StoredTable) -> None:
        assert stored.stores.load(stored.table) is not None

    def compare(stored: StoredTable) -> None:
        rows, key_range = stored.stores.warehouse.key_range(stored.table)
        assert rows
        for keys_only in (False, True):
            assert stored.stores.warehouse.digests(stored.table, key_range, key_range.width(10), keys_only=keys_only)
        assert stored.stores.warehouse.checksums(stored.table, key_range)

    drop_schemas(stored.stores.warehouse_url, "pipeline")  # the first load ever makes the ledger
    stored.snapshot(row(1), row(2))
    first = recorder.record(load)
    stored.changes(row(1), row(3), key | {"_deleted": True})
    later = recorder.record(load)
    parts = {"the first load, of a snapshot": first, "a later load, of changes": later, "a comparison": recorder.record(compare)}
    wider = replace(stored, table=replace(stored.table, columns=(*table.columns, Column("more", varchar(8)))))
    wider.snapshot(row(1))
    parts["a load of a definition that has changed"] = Recorder(wider).record(load)
    text = "\n".join(f"-- {part}\n\n{ddl}" for part, ddl in parts.items())
    golden.check(GOLDEN / f"{name}.sql", text.rstrip() + "\n")


def _statements(table: Table) -> list[str]:
    """All that a load and a comparison of a table may send."""
    return [
        f"LOCK {dialect.relation(table)}",
        dialect.create_mirror(table),
        dialect.drop_mirror(table),
        dialect.create_stage(table),
        dialect.copy_stage(table, "s3://landing/x.json", "arn:aws:iam::1:role/copy"),
        dialect.copy_mirror(table, "s3://landing/x.json", "arn:aws:iam::1:role/copy"),
        dialect.count_live_keys(table),
        dialect.create_stage_of_keys(table),
        dialect.count_vanished_keys(table),
        dialect.count_vanished(table),
        dialect.delete_all(table),
        dialect.count_keys(table),
        dialect.delete_gone(table),
        dialect.delete_replaced(table),
        dialect.insert_winners(table),
        key_range_sql(table, dialect.live(table), dialect.DIALECT),
        digests_sql(table, dialect.live(table), dialect.DIALECT, KeyRange(0, 1000), 10),
        digests_sql(table, dialect.live(table), dialect.DIALECT, KeyRange(0, 1000), 10, keys_only=True),
        row_checksums_sql(table, dialect.live(table), dialect.DIALECT, KeyRange(0, 10)),
    ]


def test_golden_fingerprints_of_every_tables_definition_and_statements() -> None:
    """The whole loads show the statements of four tables; this test holds those of every shipped table."""
    tables = [*TABLES, *(star.table for star in STARS.values())]
    digests = [hashlib.sha256(";".join(_statements(table)).encode()).hexdigest()[:16] for table in tables]
    lines = [f"{table.full_name} {table.fingerprint} {digest}" for table, digest in zip(tables, digests, strict=True)]
    golden.check(GOLDEN / "fingerprints.txt", "\n".join(["table definition statements", *lines]) + "\n")


def test_a_quote_in_a_url_cannot_end_the_literal() -> None:
    table = find_table("bank.transactions")
    assert "'s3://a''b'" in dialect.copy_stage(table, "s3://a'b", "role")


def test_a_key_that_the_stage_holds_as_text_is_compared_in_its_own_type() -> None:
    """Regression: a table whose key is a time of day loaded once, and never again."""
    shifts = Table(Source("shop", "postgres", "A shop."), "shifts", (Column("starts", time, nullable=False),), ("starts",), Xmin())
    for statement in (dialect.delete_replaced(shifts), dialect.count_vanished(shifts)):
        assert '"shifts"."starts" = CAST(' in statement
