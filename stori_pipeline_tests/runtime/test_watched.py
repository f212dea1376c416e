"""How new a mirror is while the continuous sync watches its source and nothing changes."""

from __future__ import annotations

import time

import pytest
from dagster import AssetMaterialization, DagsterInstance, DagsterRunStatus

from stori_pipeline.defs.build import build_defs
from stori_pipeline.model.project import Project
from stori_pipeline.runtime.lag import lag_seconds, last_looks
from stori_pipeline.runtime.names import CONTINUOUS
from stori_pipeline.runtime.watched import WATCHED_TAG, watched_instants, watched_text
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.platforms import BANK, EXCHANGE

pytestmark = pytest.mark.clock


def _watches(instance: DagsterInstance, text: str, status: DagsterRunStatus = DagsterRunStatus.STARTED) -> None:
    job = build_defs(PLAIN).resolve_job_def(CONTINUOUS)
    instance.create_run_for_job(job, status=status, tags={WATCHED_TAG: text})


def _synced(instance: DagsterInstance, name: str) -> None:
    """A landing and a load of the table, now."""
    table = PLAIN.mirrors[name]
    for path in (table.landing_path, table.mirror_path):
        instance.report_runless_asset_event(AssetMaterialization(path, metadata={"generation": 1, "batch": 1, "seconds": 0.0}))


def test_what_is_written_of_the_tables_is_read_again() -> None:
    text = watched_text({BANK.full_name: 1_000.5}, PLAIN)
    assert text == '{"looks": {"bank": 1000.5}, "behind": []}'
    assert watched_text({}, PLAIN) == '{"looks": {}, "behind": []}'


def test_a_quiet_table_that_is_watched_is_as_new_as_the_last_look(instance: DagsterInstance) -> None:
    for table in (BANK, EXCHANGE):
        _synced(instance, table.full_name)
    later = time.time() + 5_000
    _watches(instance, watched_text({BANK.full_name: later - 3}, PLAIN))
    lags = lag_seconds(instance, PLAIN, later)
    assert lags[BANK.full_name] == pytest.approx(3, abs=0.1)
    assert lags[EXCHANGE.full_name] > 4_000  # it is behind, or not watched
    assert later - 4 < last_looks(instance, PLAIN)[BANK.full_name] < later


def test_what_a_run_knew_stays_true_and_an_older_look_makes_nothing_older(instance: DagsterInstance) -> None:
    _synced(instance, BANK.full_name)
    now = time.time()
    _watches(instance, watched_text({BANK.full_name: now + 100}, PLAIN), DagsterRunStatus.CANCELED)
    _watches(instance, watched_text({BANK.full_name: now - 500}, PLAIN))
    assert lag_seconds(instance, PLAIN, now + 110)[BANK.full_name] < 11


def test_a_table_that_was_never_loaded_has_no_lag_and_a_foreign_text_says_nothing(instance: DagsterInstance) -> None:
    _watches(instance, watched_text({BANK.full_name: time.time()}, PLAIN))
    assert lag_seconds(instance, PLAIN, time.time()) == {}
    for text in ("", "[]", "{}", '{"looks": 1, "behind": []}', '{"looks": {"bank": "x"}, "behind": []}'):
        _watches(instance, text)
    assert set(watched_instants(instance, Project((EXCHANGE,)))) == set()
