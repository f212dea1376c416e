"""Whole dialect, to the letter. The DDL is kept under sql/warehouse, where a person looks for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stori_pipeline import catalog
from stori_pipeline.model.row_checksum import KeyRange, digests_sql, key_range_sql, row_checksums_sql
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Table
from stori_pipeline.project import find_table
from stori_pipeline.star import STARS
from stori_pipeline.warehouse import dialect
from stori_pipeline_tests import golden

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("table", catalog.TABLES, ids=lambda t: t.full_name)
def test_golden_ddl_of_every_mirror(table: Table) -> None:
    golden.check(ROOT / "sql" / "warehouse" / f"{table.full_name}.sql", f"{dialect.create_mirror(table)};\n")


@pytest.mark.parametrize("star", STARS.values(), ids=lambda star: star.name)
def test_golden_ddl_of_every_star_table_and_its_views(star: Star) -> None:
    said = [dialect.create_mirror(star.table), *dialect.create_views(star.table, star.aliases)]
    golden.check(ROOT / "sql" / "warehouse" / "star" / f"{star.name}.sql", ";\n\n".join(said) + ";\n")


def test_golden_ddl_of_the_ledger() -> None:
    golden.check(ROOT / "sql" / "warehouse" / "pipeline.loads.sql", f"{dialect.CREATE_LEDGER};\n")


def _load(table: Table) -> str:
    said = [
        f"LOCK {dialect.relation(table)}",
        dialect.SELECT_LEDGER,
        dialect.create_stage(table),
        dialect.copy_stage(table, "s3://landing/x.json", "arn:aws:iam::1:role/copy"),
        dialect.count_vanished(table),
        dialect.delete_all(table),
        dialect.count_gone(table),
        dialect.delete_gone(table),
        dialect.delete_replaced(table),
        dialect.insert_winners(table),
        dialect.INSERT_LEDGER,
        key_range_sql(table, dialect.live(table), dialect.DIALECT),
        digests_sql(table, dialect.live(table), dialect.DIALECT, KeyRange(0, 1000), 10),
        digests_sql(table, dialect.live(table), dialect.DIALECT, KeyRange(0, 1000), 10, keys_only=True),
        row_checksums_sql(table, dialect.live(table), dialect.DIALECT, KeyRange(0, 10)),
    ]
    return ";\n\n".join(said) + ";\n"


@pytest.mark.parametrize("table", catalog.TABLES, ids=lambda t: t.full_name)
def test_golden_statements_of_a_load_and_a_comparison(table: Table) -> None:
    golden.check(Path(__file__).parent / "golden" / f"{table.full_name}.sql", _load(table))


def test_golden_statements_where_versions_and_times_of_day_are_kept() -> None:
    table = STARS["fact_payment"].table
    golden.check(Path(__file__).parent / "golden" / "star.fact_payment.sql", f"{dialect.drop_mirror(table)};\n\n{_load(table)}")


def test_golden_statements_where_deleted_rows_are_kept() -> None:
    kept = dataclasses.replace(find_table("bank.transactions"), keep_deleted=True)
    golden.check(Path(__file__).parent / "golden" / "keep_deleted.sql", dialect.create_mirror(kept) + ";\n\n" + _load(kept))


def test_a_quote_in_a_url_cannot_end_the_literal() -> None:
    table = find_table("bank.transactions")
    assert "'s3://a''b'" in dialect.copy_stage(table, "s3://a'b", "role")
