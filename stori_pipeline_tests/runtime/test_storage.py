"""Dagster's storage: Postgres where a setting names one, SQLite files where none does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dagster import DagsterInstance
from dagster._core.storage.event_log import SqlEventLogStorage

from stori_pipeline.defs.build import build_defs
from stori_pipeline.runtime.storage import StorageUnavailable
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import closed_port
from stori_pipeline_tests.defs.graphs import PLAIN

SETTING = "STORI_DAGSTER_STORAGE"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's `dagster.yaml`, in which this process works as in a fresh clone."""
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in (SETTING, "DAGSTER_HOME", "DAGSTER_EMBEDDED_STORAGE"):
        monkeypatch.setenv(name, "")  # and after the test it is what it was, whatever the storage sets
    return tmp_path


def test_without_the_setting_runs_are_kept_in_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with DagsterInstance.from_config(str(folder)) as instance:
        run = instance.create_run_for_job(build_defs(PLAIN).resolve_job_def("sync_bank"))
        assert instance.global_op_concurrency_default_limit == 1
    said = capsys.readouterr().err
    where = folder / ".stori" / "dagster"
    assert said == f"{SETTING} is not set: Dagster keeps its runs in {where}. `stori up` starts a Postgres for them\n"
    with DagsterInstance.from_config(str(folder)) as another:
        assert another.get_run_by_id(run.run_id) is not None
    assert capsys.readouterr().err == ""


def test_who_began_with_files_stays_with_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stori up` may write the setting while `dagster dev` runs; a run in Postgres would be unknown to its daemon."""
    with DagsterInstance.from_config(str(folder)) as instance:
        run = instance.create_run_for_job(build_defs(PLAIN).resolve_job_def("sync_bank"))
    monkeypatch.setenv(SETTING, f"postgresql+psycopg2://dagster@127.0.0.1:{closed_port()}/dagster")
    monkeypatch.chdir("/")
    with DagsterInstance.from_config(str(folder)) as another:
        assert another.get_run_by_id(run.run_id) is not None


def test_a_postgres_that_does_not_answer_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    monkeypatch.setenv(SETTING, f"postgresql+psycopg2://dagster:secret@127.0.0.1:{port}/dagster")
    with pytest.raises(StorageUnavailable) as raised:
        DagsterInstance.from_config(str(folder))
    expected = f"Dagster's storage, the Postgres at 127.0.0.1:{port}, does not answer. On a laptop, `stori up` starts it"
    assert raised.value.format_message() == expected


def test_a_variable_that_keeps_the_storage_from_answering_is_named(folder: Path, source_db: SourceDatabase) -> None:
    """Regression: with PGSSLMODE=require, the error asked for a stack that was running. The variable is not to blame for a closed port."""
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("PGSSLMODE", "require")
        environ.setenv(SETTING, source_db.admin_url)
        with pytest.raises(StorageUnavailable, match="does not answer; PGSSLMODE is set and changes this connection"):
            DagsterInstance.from_config(str(folder))
        environ.setenv(SETTING, f"postgresql+psycopg2://dagster:secret@127.0.0.1:{closed_port()}/dagster")
        with pytest.raises(StorageUnavailable, match=r"does not answer\. On a laptop"):
            DagsterInstance.from_config(str(folder))


def test_the_storage_needs_no_name_of_a_driver_in_its_address(
    folder: Path, source_db: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the form in the list of settings, `postgresql://`, asked for a driver that is not installed."""
    monkeypatch.setenv(SETTING, source_db.admin_url)
    with DagsterInstance.from_config(str(folder)) as instance:
        assert instance.get_runs() == []


def test_a_slot_that_is_freed_while_a_step_is_being_queued_is_not_lost(folder: Path) -> None:
    """Like the test of the same name with Postgres: the race is in what Dagster's storages share."""
    with DagsterInstance.from_config(str(folder)) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, SqlEventLogStorage)
        assert storage.initialize_concurrency_limit_to_default("test.pool")
        assert storage.claim_concurrency_slot("test.pool", "first", "step").is_claimed
        storage.free_concurrency_slot_for_step("first", "step")
        storage.add_pending_step("test.pool", "second", "step", should_assign=False)
        assert storage.claim_concurrency_slot("test.pool", "second", "step").is_claimed
        assert not storage.claim_concurrency_slot("test.pool", "third", "step").is_claimed
