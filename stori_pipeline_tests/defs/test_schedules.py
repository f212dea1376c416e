"""What the schedules request, and that a job can run what a sensor or a schedule requests, on real servers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    ExecuteInProcessResult,
    RunRequest,
    SkipReason,
)

from stori_pipeline.clock import utc_now
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.checks import quick_checks, scheduled_checks
from stori_pipeline.defs.keys import landing_key, mirror_key, quarantine_key
from stori_pipeline.model.project import downstream
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.defs.ticks import Sensor, requested, scheduled
from stori_pipeline_tests.platforms import BANK, Platform

pytestmark = pytest.mark.clock

SCHEDULED = datetime(2026, 11, 21, 23, 40, tzinfo=timezone.utc)


def run(defs: Definitions, request: RunRequest, instance: DagsterInstance) -> ExecuteInProcessResult:
    """The run of a request, started now, as the daemon would."""
    job = defs.resolve_job_def("sync_bank").get_subset(
        asset_selection=set(request.asset_selection or []), asset_check_selection=set(request.asset_check_keys or [])
    )
    return job.execute_in_process(run_config=request.run_config, tags=dict(request.tags), instance=instance)


def landed(result: ExecuteInProcessResult) -> tuple[str, int]:
    """The kind and the rows of the batch that the bank's landing wrote."""
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == landing_key(BANK)]
    values = event.materialization.metadata
    return str(values["kind"].value), int(str(values["rows_landed"].value))


def test_the_schedule_requests_everything_of_its_source(defs: Definitions, instance: DagsterInstance) -> None:
    def tick(scope: str = "bank") -> RunRequest | SkipReason:
        return scheduled(defs, instance, SCHEDULED, scope)

    request = tick()
    assert isinstance(request, RunRequest)
    assert set(request.asset_selection or []) == {landing_key(BANK), mirror_key(BANK), quarantine_key(BANK.source)}
    assert set(request.asset_check_keys or []) == {*quick_checks(PLAIN, downstream(PLAIN, [BANK])), *scheduled_checks([BANK])}
    assert request.run_config["ops"]["landing__bank__transactions"]["config"] == {"detect_deletes": True}

    instance.create_run_for_job(defs.resolve_job_def("sync_bank"), tags=request.tags, status=DagsterRunStatus.STARTED)
    assert isinstance(tick(), SkipReason)
    assert isinstance(tick("exchange"), RunRequest)


def test_the_schedules_begin_a_minute_apart(defs: Definitions) -> None:
    crons = {schedule.name: schedule.cron_schedule for schedule in defs.get_repository_def().schedule_defs}
    assert crons["bank_every_20_minutes"] == "0,20,40 * * * *"
    assert crons["exchange_every_20_minutes"] == "1,21,41 * * * *"


def test_a_request_is_one_that_the_job_can_run(platform: Platform, defs: Definitions, instance: DagsterInstance, bank: Sensor) -> None:
    platform.move(1)
    result = run(defs, requested(bank.tick()), instance)
    assert result.success
    assert {e.asset_key for e in result.get_asset_materialization_events()} == {landing_key(BANK), mirror_key(BANK)}


def test_a_late_tick_of_the_schedule_lands_what_changed(platform: Platform, defs: Definitions, instance: DagsterInstance) -> None:
    """Whatever its day: the daemon evaluates missed ticks later."""
    moment = utc_now() - timedelta(days=2)
    for moved, kind in ((3, "snapshot"), (2, "changes")):
        platform.move(moved)
        request = scheduled(defs, instance, moment, "bank")
        assert isinstance(request, RunRequest)
        assert landed(run(defs, request, instance)) == (kind, moved)


def test_the_instance_of_dagster_yaml_loads(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file as it is, with its storage: two instances, as of two processes, see each other's runs."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    root = Path(__file__).parents[2]
    (tmp_path / "dagster.yaml").write_text((root / "dagster.yaml").read_text())
    with DagsterInstance.from_config(str(tmp_path)) as one, DagsterInstance.from_config(str(tmp_path)) as other:
        run = one.create_run_for_job(build_defs(PLAIN).resolve_job_def("sync"))
        assert other.get_run_by_id(run.run_id) is not None
        assert one.global_op_concurrency_default_limit == 1
        one.delete_run(run.run_id)
