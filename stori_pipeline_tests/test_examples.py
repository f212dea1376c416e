"""The projects under `examples/`, run on the session's servers as their pages tell.

Belongs here: what each example must bring. Does not belong here: the examples of README and of pages (`test_worked_examples`).
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from dagster import AssetCheckEvaluation, DagsterInstance, Definitions, materialize

from stori_pipeline.cli.sync import execute_sync
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.readme import ROOT
from stori_pipeline_tests.stores import Stores, empty_warehouse

EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Example:
    """`failing` says which of the names in its rows each failing check shows; `rejected` is the number of rows in quarantine."""

    query: str
    rows: list[tuple[Any, ...]]
    failing: dict[str, list[str]]
    rejected: int = 0


EXPECTED = {
    "postgres_to_redshift": Example(
        "SELECT c.name, v.orders, v.spent FROM shop.customers c JOIN star.customer_value v ON v.id = c.id ORDER BY c.id",
        [("Ada", 2, Decimal("19.75")), ("Grace", 1, Decimal("100.00")), ("Edsger", 0, Decimal("0.00"))],
        {},
    ),
    "csv_in_s3": Example(
        "SELECT article_no, price, valid_from, file FROM partner.prices ORDER BY article_no",
        [
            ("A-1", Decimal("9.99"), date(2026, 1, 1), "feed/prices.csv"),
            ("A-2", Decimal("120.00"), date(2026, 1, 15), "feed/prices.csv"),
            ("C-3", Decimal("0.50"), date(2026, 2, 1), "feed/prices.csv"),
        ],
        {},
        rejected=1,
    ),
    "asset_of_your_own": Example(
        "SELECT station, day, celsius FROM weather.daily ORDER BY station, day",
        [("Bath", date(2026, 5, 1), 7.25), ("Bath", date(2026, 5, 2), 9.75), ("Ely", date(2026, 5, 1), 5.25)],
        {},
    ),
    "check_in_python": Example(
        "SELECT COUNT(*) FROM clinic.stays",
        [(5,)],
        {"a_bed_for_everyone": ["P-3", "P-4"]},
    ),
}


def _modules(name: str) -> list[Path]:
    return sorted((EXAMPLES / name).glob("*.py"))


def test_every_example_is_run_has_a_page_and_is_short() -> None:
    folders = {each.name for each in EXAMPLES.iterdir() if each.is_dir() and each.name != "__pycache__"}
    assert folders == set(EXPECTED)
    listed = (EXAMPLES / "README.md").read_text()
    for name in folders:
        (module,) = _modules(name)
        assert 20 <= len(module.read_text().splitlines()) <= 60, name
        assert (EXAMPLES / name / "README.md").read_text().startswith("# ")
        assert f"[{name}]({name})" in listed


def _loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example as `dagster dev -f` loads it."""
    (path,) = _modules(name)
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def surroundings(
    stores: Stores, source_db: SourceDatabase, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Stores]:
    """Empty buckets and an empty warehouse, and the settings that lead to them and to the sources."""
    own = {
        "STORI_SOURCE_SHOP": source_db.reader_url,
        "STORI_SOURCE_CLINIC": source_db.reader_url,
        "STORI_SOURCE_PARTNER": f"s3://{stores.bucket}",
        "STORI_LANDING_BUCKET": stores.bucket,
        "STORI_PROCESSED_BUCKET": stores.processed.bucket.name,
    }
    for setting, value in (environ | own).items():
        monkeypatch.setenv(setting, value)
    monkeypatch.chdir(tmp_path)  # a developer's own `.env` must not be read
    empty_warehouse(stores.warehouse_url)
    yield stores
    empty_warehouse(stores.warehouse_url)
    drop_schemas(stores.warehouse_url, "shop", "partner", "weather", "clinic")


def _failing(check: AssetCheckEvaluation) -> list[str]:
    return re.findall(r"P-\d", str(check.metadata["examples"].value))


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_brings_its_rows(
    name: str, surroundings: Stores, source_db: SourceDatabase, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for script in (EXAMPLES / name).glob("*.sql"):
        execute(source_db.admin_url, script.read_text())
    for file in (EXAMPLES / name).glob("*.csv"):
        surroundings.s3.put_object(Bucket=surroundings.bucket, Key=f"feed/{file.name}", Body=file.read_bytes())
    module, expected = _loaded(name, monkeypatch), EXPECTED[name]
    Definitions.validate_loadable(module.defs)
    if module.PROJECT.tables:
        result = execute_sync(module.PROJECT.tables, instance=instance, project=module.PROJECT, prove=True)
    else:
        result = materialize([module.readings, module.daily], resources=module.defs.resources, instance=instance)
    assert result.success, [str(event.message) for event in result.all_events if event.is_failure]
    assert surroundings.query(expected.query) == expected.rows
    broken = {each.check_name: _failing(each) for each in result.get_asset_check_evaluations() if not each.passed}
    assert broken == expected.failing
    newest = [surroundings.lake.newest(table) for table in module.PROJECT.tables]
    assert sum(manifest.rejected for manifest in newest if manifest) == expected.rejected
