"""A check that reads a table which the project no longer defines must not pass on rows that nothing loads any more."""

from __future__ import annotations

from pathlib import Path

from dagster import AssetCheckResult

from stori_pipeline.defs.check_steps import CheckResources
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource
from stori_pipeline.defs.sql_checks import sql_checks
from stori_pipeline.model.project import Project
from stori_pipeline_tests.stores import ITEMS, Stores, StoreTable


def _result(project: Project, full_name: str, stores: Stores) -> AssetCheckResult:
    (check,) = [each for each in sql_checks(project, full_name) if each.name == "known"]
    return check.result(full_name, CheckResources(LakeResource(), ProcessedResource(), stores.warehouse, SourcesResource()))


def test_a_check_fails_that_reads_a_table_the_project_no_longer_defines(store: StoreTable, tmp_path: Path) -> None:
    orders, products = store(ITEMS), store(ITEMS)
    for each in (orders, products):
        each.snapshot((1, "a"))
        each.loaded()
    name, other = orders.table.full_name, products.table.full_name
    file = tmp_path / name.replace(".", "/") / "known.sql"
    file.parent.mkdir(parents=True)
    heading = "-- severity: error\n-- Every item is known.\n"
    file.write_text(f"{heading}SELECT id FROM {name} WHERE id NOT IN (SELECT id FROM {other})")
    assert _result(Project((orders.table, products.table), checks=tmp_path), name, orders.stores).passed
    failed = _result(Project((orders.table,), checks=tmp_path), name, orders.stores)
    assert not failed.passed
    assert f"reads {other}, which the project does not define: nothing loads it any more" in (failed.description or "")

    file.write_text(f"{heading}SELECT id FROM {name} WHERE id NOT IN (SELECT id FROM nowhere.lost)")
    missing = _result(Project((orders.table,), checks=tmp_path), name, orders.stores)
    assert not missing.passed
    assert "reads nowhere.lost, which the project does not define: no sync makes it" in (missing.description or "")


def test_a_check_may_read_a_table_that_the_platform_never_loaded(store: StoreTable, tmp_path: Path) -> None:
    orders = store(ITEMS)
    orders.snapshot((1, "a"))
    orders.loaded()
    name, schema = orders.table.full_name, orders.table.source.name
    orders.stores.execute(f"CREATE TABLE {schema}.own (id BIGINT)", f"INSERT INTO {schema}.own VALUES (1)")
    file = tmp_path / name.replace(".", "/") / "known.sql"
    file.parent.mkdir(parents=True)
    file.write_text(f"-- severity: error\n-- Known.\nSELECT id FROM {name} WHERE id NOT IN (SELECT id FROM {schema}.own)")
    assert _result(Project((orders.table,), checks=tmp_path), name, orders.stores).passed
