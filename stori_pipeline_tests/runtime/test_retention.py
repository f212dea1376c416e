"""What grows in Dagster's storage is removed, and what anybody still reads stays: in Postgres, and in SQLite files."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    AssetObservation,
    AssetSelection,
    DagsterInstance,
    Definitions,
    Failure,
    asset,
    asset_check,
    define_asset_job,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from stori_pipeline.clock import utc_now
from stori_pipeline.defs.build import build_defs
from stori_pipeline.runtime.retention import forget_runs
from stori_pipeline.settings import SettingError, Settings
from stori_pipeline_tests.defs.graphs import PLAIN

pytestmark = pytest.mark.clock

LATER = timedelta(hours=1)
_EVALUATED = (AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED)


class Pot:
    """A pot of tea: its definitions, and whether the next look at it fails."""

    def __init__(self) -> None:
        self.broken = False

        @asset
        def tea() -> None: ...

        @asset
        def cup(context: AssetExecutionContext) -> None:
            context.log_event(AssetObservation("leaves"))

        @asset_check(asset=tea)
        def hot() -> AssetCheckResult:
            if self.broken:
                raise Failure("the thermometer is broken", allow_retries=False)
            return AssetCheckResult(passed=True)

        jobs = [define_asset_job("all_of_it", AssetSelection.all()), define_asset_job("only_tea", AssetSelection.assets("tea"))]
        self.defs = Definitions(assets=[tea, cup], asset_checks=[hot], jobs=jobs)

    def run(self, instance: DagsterInstance, job: str) -> str:
        return self.defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False).run_id


@contextmanager
def _in_files(tmp_path: Path) -> Iterator[DagsterInstance]:
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for name in ("STORI_DAGSTER_STORAGE", "DAGSTER_HOME", "DAGSTER_EMBEDDED_STORAGE"):
            patch.setenv(name, "")
        with DagsterInstance.from_config(str(tmp_path)) as instance:
            yield instance


@pytest.fixture(params=["postgres", "files"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DagsterInstance]:
    if request.param == "postgres":
        yield request.getfixturevalue("instance")
    else:
        with _in_files(tmp_path) as instance:
            yield instance


def _runs(instance: DagsterInstance) -> set[str]:
    return {record.dagster_run.run_id for record in instance.get_run_records()}


def _news(instance: DagsterInstance) -> dict[str, Any]:
    """What sensors, freshness and the UI read."""
    executions = instance.event_log_storage.get_asset_check_execution_history(AssetCheckKey(AssetKey("tea"), "hot"), limit=10)
    return {
        "materialized": {key: getattr(instance.get_latest_materialization_event(AssetKey(key)), "run_id", None) for key in ("tea", "cup")},
        "observed": [record.run_id for record in instance.fetch_observations(AssetKey("leaves"), limit=1).records],
        "evaluated": [each.run_id for each in executions if each.status in _EVALUATED][:1],
        "assets": {record.asset_entry.asset_key for record in instance.get_asset_records()},
    }


def test_a_run_with_the_newest_word_on_something_stays_and_the_others_go(storage: DagsterInstance) -> None:
    pot = Pot()
    everything, old = pot.run(storage, "all_of_it"), pot.run(storage, "only_tea")
    evaluated = pot.run(storage, "only_tea")
    pot.broken = True
    materialized = pot.run(storage, "only_tea")
    before = _news(storage)
    assert before["materialized"] == {"tea": materialized, "cup": everything}
    assert (before["observed"], before["evaluated"]) == ([everything], [evaluated])

    assert forget_runs(storage, utc_now() - LATER).removed == 0
    forgotten = forget_runs(storage, utc_now() + LATER)
    assert (forgotten.removed, forgotten.kept, forgotten.is_complete) == (1, 3, True)
    assert _runs(storage) == {everything, evaluated, materialized}
    assert _news(storage) == before
    assert not [path for path in Path.cwd().rglob(f"*{old}*") if path.parent.name == "runs"]
    assert storage.all_logs(old) == []
    executions = storage.event_log_storage.get_asset_check_execution_history(AssetCheckKey(AssetKey("tea"), "hot"), limit=10)
    assert old not in {each.run_id for each in executions}
    again = forget_runs(storage, utc_now() + LATER)
    assert (again.removed, again.kept) == (0, 3)


def test_a_night_is_bounded_and_the_next_one_continues(storage: DagsterInstance) -> None:
    pot = Pot()
    runs = [pot.run(storage, "only_tea") for _ in range(5)]
    first = forget_runs(storage, utc_now() + LATER, most=2)
    assert (first.removed, first.is_complete) == (2, False)
    assert _runs(storage) == set(runs[2:])
    assert not forget_runs(storage, utc_now() + LATER, seconds=-1).is_complete
    last = forget_runs(storage, utc_now() + LATER)
    assert (last.removed, last.kept, last.is_complete) == (2, 1, True)
    assert _runs(storage) == {runs[-1]}


def test_a_removal_that_was_interrupted_is_finished(instance: DagsterInstance) -> None:
    """The events go before the run, so what was interrupted is found again."""
    pot = Pot()
    runs = [pot.run(instance, "only_tea") for _ in range(2)]
    instance.event_log_storage.delete_events(runs[0])
    assert forget_runs(instance, utc_now() + LATER).removed == 1
    assert _runs(instance) == {runs[1]}


def test_the_job_keeps_what_the_setting_says(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [Pot().run(instance, "only_tea") for _ in range(2)]
    tidied = build_defs(PLAIN).resolve_job_def("tidy").execute_in_process(instance=instance)
    assert tidied.success
    assert set(runs) < _runs(instance)
    assert Settings({}).keep_runs_days == 14
    monkeypatch.setenv("STORI_KEEP_RUNS_DAYS", "30")
    assert Settings.load().keep_runs_days == 30
    with pytest.raises(SettingError, match="STORI_KEEP_RUNS_DAYS"):
        _ = Settings({"STORI_KEEP_RUNS_DAYS": "0"}).keep_runs_days


def test_the_output_of_a_removed_run_goes_with_it(tmp_path: Path) -> None:
    with _in_files(tmp_path) as instance:
        runs = [Pot().run(instance, "only_tea") for _ in range(2)]
        output = [path for path in tmp_path.rglob(runs[0]) if path.is_dir()]
        assert output
        forget_runs(instance, utc_now() + LATER)
        assert not any(path.exists() for path in output)
