"""The check `arrivals`: whether a table has had a new row during its business hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from dagster import AssetKey, AssetSelection, Definitions, define_asset_job

from stori_pipeline.clock import utc_now
from stori_pipeline.defs.arrivals import arrivals_checks, arrivals_keys, arrivals_result
from stori_pipeline.defs.keys import mirror_key
from stori_pipeline.defs.resources import WarehouseResource
from stori_pipeline.model.business_hours import BusinessHours
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.table import Table
from stori_pipeline.project import find_table
from stori_pipeline.runtime.names import ARRIVALS
from stori_pipeline.warehouse.dialect import create_mirror, relation
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.stores import under_own_source

pytestmark = pytest.mark.clock

HOURS = BusinessHours("created_at", 8, 19, timedelta(hours=5), timedelta(hours=11))
PAYMENT = find_table("totesys.payment")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("newest", "passed", "says"),
    [
        ("2024-11-15T18:58", True, None),  # Friday evening, judged on Monday morning
        ("2024-11-15T14:30", True, None),  # 4 h 30 min on Friday and 30 min on Monday
        ("2024-11-15T14:29", False, "no row for 5 h 01 min of open time; rows should arrive every 5 h 00 min"),
        ("2024-11-14T08:00", False, "22 h 30 min of open time; rows should arrive every 5 h 00 min. The source has stopped"),
        ("2024-11-18T09:00", True, None),
        (None, False, "has no rows"),
    ],
)
def test_arrivals_on_a_monday_morning_ignore_the_weekend(newest: str | None, passed: bool, says: str | None) -> None:
    result = arrivals_result(PAYMENT, HOURS, at(newest) if newest else None, at("2024-11-18T08:30"))
    assert (result.passed, result.severity.value) == (passed, "WARN")
    assert (result.description is None) == (says is None)
    assert (says or "") in (result.description or "")


@pytest.mark.parametrize(("column", "says"), [("when", "names 'when'"), ("payment_date", "must be a timestamptz")])
def test_the_arrivals_column_must_be_an_instant_of_the_table(column: str, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        replace(PAYMENT, arrivals=replace(HOURS, column=column))


def test_only_tables_that_are_written_to_all_day_have_the_check() -> None:
    assert not arrivals_checks(find_table("totesys.staff"))
    assert [key.to_user_string() for key in arrivals_keys(PAYMENT)] == ["warehouse/totesys/payment:arrivals"]


@pytest.fixture
def mirror(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """An empty mirror like that of the payments, in a schema of its own, where the environment says."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    table = under_own_source(PAYMENT)
    execute(environ["STORI_WAREHOUSE"], f"CREATE SCHEMA {table.source.name}", create_mirror(table))
    yield table
    execute(environ["STORI_WAREHOUSE"], f"DROP SCHEMA {table.source.name} CASCADE")


def test_the_check_looks_at_the_newest_row_of_the_mirror(mirror: Table, environ: dict[str, str]) -> None:
    definitions = Definitions(
        asset_checks=arrivals_checks(mirror),
        jobs=[define_asset_job("look", AssetSelection.checks_for_assets(mirror_key(mirror)))],
        resources={"warehouse": WarehouseResource()},
    )

    def looked() -> tuple[bool, str]:
        done = definitions.resolve_job_def("look").execute_in_process()
        (evaluation,) = done.get_asset_check_evaluations()
        assert (evaluation.check_name, evaluation.asset_key) == (ARRIVALS, AssetKey(["warehouse", mirror.source.name, "payment"]))
        return evaluation.passed, str(evaluation.metadata["newest_row"].value)

    assert looked() == (False, "none")
    row = "1, {at}, {at}, 1, 1, 1, 1, 1, FALSE, '2024-11-15', 1, 1, 1, GETDATE()"
    execute(
        environ["STORI_WAREHOUSE"],
        f"INSERT INTO {relation(mirror)} VALUES ({row.format(at='TIMESTAMPTZ ' + repr('2024-11-15 18:50:09.123+00'))})",
    )
    assert looked() == (False, "2024-11-15T18:50:09.123000+00:00")
    newest = utc_now().replace(microsecond=0)  # not GETDATE(): the check takes its time from this process
    execute(
        environ["STORI_WAREHOUSE"], f"INSERT INTO {relation(mirror)} VALUES ({row.format(at='TIMESTAMPTZ ' + repr(newest.isoformat()))})"
    )
    assert looked() == (True, newest.isoformat())
