"""The check `arrivals`: whether rows still arrive during business hours.

Belongs here: the check of a table whose definition says when rows arrive. Only the schedule runs it, because missing rows start no run of
the sensor. Does not belong here: the verdict (`model.business_hours`), or how old a mirror may be (its freshness policy).
"""

from collections.abc import Sequence
from datetime import datetime

from dagster import AssetCheckKey, AssetCheckResult, AssetChecksDefinition, AssetCheckSeverity, asset_check

from stori_pipeline.clock import utc_now
from stori_pipeline.defs.keys import mirror_key
from stori_pipeline.defs.resources import WarehouseResource
from stori_pipeline.defs.step_functions import signed
from stori_pipeline.model.business_hours import BusinessHours, in_hours, judge_arrivals
from stori_pipeline.model.names import quoted
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.names import ARRIVALS
from stori_pipeline.runtime.retries import RETRY, only_transient
from stori_pipeline.warehouse.dialect import relation


def arrivals_result(table: Table, hours: BusinessHours, newest: datetime | None, now: datetime) -> AssetCheckResult:
    """The result for a mirror whose newest row was created at `newest`, None if the mirror has no rows.

    A failure is only a warning: a silent source makes no row in the warehouse wrong.
    """
    verdict = judge_arrivals(table.full_name, hours, newest, now)
    return AssetCheckResult(
        check_name=ARRIVALS,
        asset_key=mirror_key(table),
        passed=verdict.on_time,
        severity=AssetCheckSeverity.WARN,
        metadata={
            "newest_row": newest.isoformat() if newest else "none",
            "business_time_since": verdict.waited or "none",
            "late_after": in_hours(hours.late_after),
            "stopped_after": in_hours(hours.stopped_after),
        },
        description=verdict.message or None,
    )


def arrivals_checks(table: Table) -> Sequence[AssetChecksDefinition]:
    """The check of a table whose definition has `arrivals`; empty for any other table."""
    hours = table.arrivals
    return [_check(table, hours)] if hours else []


def arrivals_keys(table: Table) -> Sequence[AssetCheckKey]:
    return [AssetCheckKey(mirror_key(table), ARRIVALS)] if table.arrivals else []


def _check(table: Table, hours: BusinessHours) -> AssetChecksDefinition:
    @asset_check(
        asset=mirror_key(table),
        name=ARRIVALS,
        description=f"In open time, rows arrive at least every {in_hours(hours.late_after)}.",
        retry_policy=RETRY,
    )
    @signed
    def arrivals(warehouse: WarehouseResource) -> AssetCheckResult:
        statement = f"SELECT MAX({quoted(hours.column)}) FROM {relation(table)}"
        with only_transient():
            ((newest,),) = warehouse.open().query(statement, what=f"check {ARRIVALS} of {table.full_name}")
        return arrivals_result(table, hours, newest, utc_now())

    return arrivals
