"""Checks in Python as asset checks: what they read, when they run, and the rows that they show. Also the shipped ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import AssetCheckEvaluation, AssetCheckKey, AssetKey, DagsterInstance, RunRequest

from stori_pipeline.catalog import checks as shipped
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.checks import quick_checks, rules
from stori_pipeline.defs.keys import relation_key
from stori_pipeline.model.check import PythonCheck, check, checks_in
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import Project, downstream
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer, super_, varchar
from stori_pipeline.pipeline.gate import LoadBlocked
from stori_pipeline.project import find_table, load_project
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline_tests.databases import drop_schemas
from stori_pipeline_tests.readings import Given, rejected, rows
from stori_pipeline_tests.stores import Stores

_ID = Column("id", integer, nullable=False)
ORDERS = Table(Source("py_shop", "postgres", "A shop."), "orders", (_ID, Column("item", integer)), ("id",), Xmin())
ITEMS = Table(
    Source("py_depot", "postgres", "A depot."),
    "items",
    (_ID, Column("label", varchar(16)), Column("tags", super_)),
    ("id",),
    Xmin(),
    keep_deleted=True,
)


@check("py_shop.orders", severity="warn")
def item_exists(orders: pl.LazyFrame, items: pl.LazyFrame) -> pl.LazyFrame:
    """Every order is for an item."""
    return orders.join(items, left_on="item", right_on="id", how="anti").sort("id").select("id", "item")


@check("py_depot.items", severity="error")
def tags_listed(items: pl.LazyFrame) -> pl.DataFrame:
    """Tags are a list."""
    return items.filter(~pl.col("tags").str.starts_with("[")).select("id", "tags").collect()


@check("py_depot.items", severity="warn")
def cannot_run(items: pl.LazyFrame) -> pl.LazyFrame:
    """It never runs."""
    return items.filter(pl.col("nothing") > 0)


PROJECT = Project((ORDERS, ITEMS), python_checks=(item_exists, tags_listed, cannot_run))


@dataclass(frozen=True)
class Mirrors(Stores):
    """Stores whose tables are checked. `instance` is Dagster's."""

    instance: DagsterInstance

    def land(self, table: Table, kind: str, *given: dict[str, Any]) -> None:
        assert self.land_rows(table, kind, *given) is not None

    def land_blocked(self, table: Table, *given: dict[str, Any]) -> None:
        """A batch with more rejected rows than the contract allows."""

        class Broken(Given):
            def __iter__(self) -> Iterator[Chunk]:
                yield Chunk(rows(*given, table=table), rejected(*map(str, range(40))))

        assert self.lake.land(table, Broken(kind="changes"), newest=self.lake.newest(table), run_id="land") is not None

    def checked(self, project: Project, *checks: PythonCheck) -> list[AssetCheckEvaluation]:
        """The results of these checks, in a run of these checks only."""
        keys = [AssetCheckKey(relation_key(each.table), each.name) for each in checks]
        result = execute_request(build_defs(project), "sync", RunRequest(asset_selection=[], asset_check_keys=keys), instance=self.instance)
        assert result.success
        found = {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}
        return [found[each.name] for each in checks]


@pytest.fixture
def mirrors(
    environ: dict[str, str], stores: Stores, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Mirrors]:
    buckets = {"STORI_LANDING_BUCKET": stores.bucket, "STORI_PROCESSED_BUCKET": stores.processed.bucket.name}
    for name, value in (environ | buckets).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # a developer's own `.env` must not be read
    schemas = ("py_shop", "py_depot", "drops", "pipeline")
    drop_schemas(stores.warehouse_url, *schemas)
    yield Mirrors(**vars(stores), instance=instance)
    drop_schemas(stores.warehouse_url, *schemas)


def test_a_failing_row_is_shown_until_it_is_corrected(mirrors: Mirrors) -> None:
    mirrors.land(ORDERS, "snapshot", {"id": 1, "item": 7}, {"id": 2, "item": 8}, {"id": 3, "item": 9})
    mirrors.land(ITEMS, "snapshot", {"id": 7}, {"id": 9})
    mirrors.land(ITEMS, "changes", {"id": 9, "_deleted": True})
    mirrors.load(ORDERS)
    mirrors.load(ITEMS)

    (failed,) = mirrors.checked(PROJECT, item_exists)
    assert (failed.passed, failed.severity.value, failed.asset_key) == (False, "WARN", AssetKey(["warehouse", "py_shop", "orders"]))
    assert failed.metadata["failing_rows"].value == 2
    assert failed.metadata["examples"].value == "| id | item |\n| --- | --- |\n| 2 | 8 |\n| 3 | 9 |"
    assert failed.description == "py_shop.orders: 2 rows fail this check; examples are in the metadata"

    mirrors.land(ITEMS, "changes", {"id": 8}, {"id": 9})
    mirrors.load(ITEMS)
    (mended,) = mirrors.checked(PROJECT, item_exists)
    assert (mended.passed, mended.metadata["failing_rows"].value, mended.description) == (True, 0, None)


def test_a_check_reads_only_rows_in_the_mirror(mirrors: Mirrors) -> None:
    mirrors.land(ITEMS, "snapshot", {"id": 7, "tags": b"[]"})
    (too_early,) = mirrors.checked(PROJECT, tags_listed)
    assert (too_early.passed, too_early.description) == (False, "py_depot.items: nothing is loaded yet; run `stori sync`")
    mirrors.load(ITEMS)
    mirrors.land_blocked(ITEMS, {"id": 8, "tags": b"{}"})
    with pytest.raises(LoadBlocked, match="nothing is loaded"):
        mirrors.load(ITEMS)
    (passed,) = mirrors.checked(PROJECT, tags_listed)
    assert passed.passed
    mirrors.land(ITEMS, "snapshot", {"id": 8, "tags": b"{}"})
    mirrors.load(ITEMS)
    (failed,) = mirrors.checked(PROJECT, tags_listed)
    assert (failed.severity.value, failed.metadata["examples"].value) == ("ERROR", "| id | tags |\n| --- | --- |\n| 8 | {} |")


def test_a_check_that_raises_fails_and_the_others_run(mirrors: Mirrors) -> None:
    mirrors.land(ITEMS, "snapshot", {"id": 7, "tags": b"[]"})
    mirrors.load(ITEMS)
    broken, passed = mirrors.checked(PROJECT, cannot_run, tags_listed)
    assert passed.passed
    assert not broken.passed
    assert "nothing" in (broken.description or "")
    assert "ColumnNotFoundError" in str(broken.metadata["traceback"].value)


def test_a_check_runs_when_anything_that_it_reads_has_changed() -> None:
    (spec,) = [s for each in build_defs(PROJECT).asset_checks or () for s in each.check_specs if s.name == item_exists.name]
    assert {dep.asset_key for dep in spec.additional_deps} == {AssetKey(["warehouse", "py_depot", "items"])}
    for table in (ORDERS, ITEMS):
        assert AssetCheckKey(relation_key("py_shop.orders"), "item_exists") in quick_checks(PROJECT, downstream(PROJECT, [table]))
    assert AssetCheckKey(relation_key("py_depot.items"), "tags_listed") not in quick_checks(PROJECT, downstream(PROJECT, [ORDERS]))


def test_two_checks_of_a_table_with_one_name_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "py_depot" / "items"
    folder.mkdir(parents=True)
    (folder / "tags_listed.sql").write_text("-- severity: warn\n-- Tags are a list.\nSELECT 1 AS a")
    with pytest.raises(DefinitionError, match=r"py_depot\.items: it has two checks that are called 'tags_listed'"):
        rules(Project((ITEMS,), checks=tmp_path, python_checks=(tags_listed,)))


# ---- the shipped rules


def _settlement(merchant: str, currency: str) -> dict[str, Any]:
    amounts = {name: Decimal("1.00") for name in ("gross_amount", "fee_amount", "net_amount")}
    return amounts | {
        "settlement_date": date(2024, 11, 14),
        "merchant_id": merchant,
        "scheme": "visa",
        "currency": currency,
        "transactions": 1,
        "file": "card_settlements/a.csv",
        "dropped_at": datetime(2024, 11, 15, tzinfo=timezone.utc),
    }


PLANTED: list[tuple[PythonCheck, list[dict[str, Any]], list[dict[str, Any]], list[str]]] = [
    # The rule, rows in which it holds, rows in which it does not, and what is shown of the latter.
    (
        shipped.currency_in_iso_4217,
        [_settlement("M1", "GBP"), _settlement("M1", "JPY"), _settlement("M2", "CHF")],
        [_settlement("M3", "EUE"), _settlement("M4", "gbp")],
        ["| 2024-11-14 | M3 | visa | EUE | card_settlements/a.csv |", "| 2024-11-14 | M4 | visa | gbp | card_settlements/a.csv |"],
    ),
]


@pytest.mark.parametrize(("rule", "good", "bad", "shown"), PLANTED, ids=[rule.name for rule, *_ in PLANTED])
def test_a_shipped_check_returns_exactly_the_planted_rows(
    mirrors: Mirrors, rule: PythonCheck, good: list[dict[str, Any]], bad: list[dict[str, Any]], shown: list[str]
) -> None:
    table, project = find_table(rule.table), load_project()
    mirrors.land(table, "snapshot", *good)
    mirrors.load(table)
    (passed,) = mirrors.checked(project, rule)
    assert passed.passed, passed.description
    mirrors.land(table, "changes", *bad)
    mirrors.load(table)
    (failed,) = mirrors.checked(project, rule)
    assert failed.metadata["failing_rows"].value == len(bad)
    assert sorted(str(failed.metadata["examples"].value).splitlines()[2:]) == shown


def test_every_shipped_check_in_python_has_a_planted_case() -> None:
    assert [rule for rule, *_ in PLANTED] == list(checks_in(shipped)) == list(load_project().python_checks)
