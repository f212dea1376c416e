"""Whole statements, to the letter. The DDL is kept under sql/warehouse, where a person looks for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stori_pipeline import catalog
from stori_pipeline.digest import Span, digests_sql, rows_sql, span_sql
from stori_pipeline.redshift import statements
from stori_pipeline.spec import Table
from stori_pipeline.star import STARS, Star
from stori_pipeline_tests import golden

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("table", catalog.TABLES, ids=lambda t: t.full_name)
def test_golden_ddl_of_every_mirror(table: Table) -> None:
    golden.check(ROOT / "sql" / "warehouse" / f"{table.full_name}.sql", f"{statements.create_mirror(table)};\n")


@pytest.mark.parametrize("star", STARS.values(), ids=lambda star: star.name)
def test_golden_ddl_of_every_star_table_and_its_views(star: Star) -> None:
    said = [statements.create_mirror(star.table), *statements.create_views(star.table, star.also)]
    golden.check(ROOT / "sql" / "warehouse" / "star" / f"{star.name}.sql", ";\n\n".join(said) + ";\n")


def test_golden_ddl_of_the_ledger() -> None:
    golden.check(ROOT / "sql" / "warehouse" / "pipeline.loads.sql", f"{statements.CREATE_LEDGER};\n")


def _load(table: Table) -> str:
    said = [
        f"LOCK {statements.relation(table)}",
        statements.SELECT_LEDGER,
        statements.create_stage(table),
        statements.copy_stage(table, "s3://landing/x.json", "arn:aws:iam::1:role/copy"),
        statements.count_vanished(table),
        statements.delete_all(table),
        statements.count_gone(table),
        statements.delete_gone(table),
        statements.delete_replaced(table),
        statements.insert_winners(table),
        statements.INSERT_LEDGER,
        span_sql(table, statements.live(table), statements.DIALECT),
        digests_sql(table, statements.live(table), statements.DIALECT, Span(0, 1000), 10),
        digests_sql(table, statements.live(table), statements.DIALECT, Span(0, 1000), 10, keys_only=True),
        rows_sql(table, statements.live(table), statements.DIALECT, Span(0, 10)),
    ]
    return ";\n\n".join(said) + ";\n"


@pytest.mark.parametrize("table", catalog.TABLES, ids=lambda t: t.full_name)
def test_golden_statements_of_a_load_and_a_comparison(table: Table) -> None:
    golden.check(Path(__file__).parent / "golden" / f"{table.full_name}.sql", _load(table))


def test_golden_statements_where_versions_and_times_of_day_are_kept() -> None:
    table = STARS["fact_payment"].table
    golden.check(Path(__file__).parent / "golden" / "star.fact_payment.sql", f"{statements.drop_mirror(table)};\n\n{_load(table)}")


def test_golden_statements_where_deleted_rows_are_kept() -> None:
    kept = dataclasses.replace(catalog.find("bank.transactions"), keep_deleted=True)
    golden.check(Path(__file__).parent / "golden" / "keep_deleted.sql", statements.create_mirror(kept) + ";\n\n" + _load(kept))


def test_a_quote_in_a_url_cannot_end_the_literal() -> None:
    table = catalog.find("bank.transactions")
    assert "'s3://a''b'" in statements.copy_stage(table, "s3://a'b", "role")
