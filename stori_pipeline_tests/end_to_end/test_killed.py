"""`kill -9` at every point where a killed process leaves something behind, then changes in the source, then an ordinary sync."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from stori_pipeline.model.table import Table
from stori_pipeline.runtime.names import CONTINUOUS, TABLES_TAG
from stori_pipeline_tests.gate import Gate, Hold
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform


@dataclass(frozen=True)
class Moment:
    """Where the process is killed, and what must exist afterwards: parts and manifests of the second batch, and its load."""

    server: str
    hold: Hold
    parts: int
    manifests: int
    loads: int

    def of(self, bucket: str, table: Table) -> Hold:
        pattern = self.hold.pattern.replace(b"BUCKET", bucket.encode()).replace(b"TABLE", table.prefix.encode())
        return Hold(pattern, self.hold.when, self.hold.nth, self.hold.behind, self.hold.answered)


PART, MANIFEST = b"PUT /BUCKET/TABLE/date%3D", b"PUT /BUCKET/TABLE/_manifests/"
# The load's own commit; one before it may make the ledger.
LEDGER, COMMIT = b"INSERT INTO pipeline.loads", b"COMMIT\0"

MOMENTS = {
    "in the extract": Moment("source", Hold(answered=200_000), parts=0, manifests=0, loads=0),
    "before a part": Moment("s3", Hold(PART, "before"), parts=0, manifests=0, loads=0),
    "after a part": Moment("s3", Hold(PART, "after"), parts=1, manifests=0, loads=0),
    "before the manifest": Moment("s3", Hold(MANIFEST, "before"), parts=1, manifests=0, loads=0),
    "after the manifest": Moment("s3", Hold(MANIFEST, "after"), parts=1, manifests=1, loads=0),
    "before the commit": Moment("warehouse", Hold(COMMIT, "before", behind=LEDGER), parts=1, manifests=1, loads=0),
    "after the commit": Moment("warehouse", Hold(COMMIT, "after", behind=LEDGER), parts=1, manifests=1, loads=1),
}


def _die(platform: Platform, table: Table, moment: Moment, server: str, *command: str) -> None:
    """Starts a sync, or the command, kills it at that moment, and checks that it was killed exactly there."""
    parts, manifests, loads = (len(platform.objects(table, "date=")), len(platform.objects(table, "_manifests/")), platform.ledger(table))
    with (
        Gate(platform.address(server), moment.of(platform.bucket, table)) as gate,
        platform.start(*(command or ("sync", table.full_name)), **{server: gate.port}) as running,
    ):
        running.kill_at(gate.reached)
    left = (len(platform.objects(table, "date=")) - parts, len(platform.objects(table, "_manifests/")) - manifests)
    assert left == (moment.parts, moment.manifests)
    assert len(platform.ledger(table)) - len(loads) == moment.loads


@pytest.mark.parametrize("name", MOMENTS)
def test_a_killed_bank_sync_leaves_nothing_that_the_next_one_loses_or_repeats(platform: Platform, name: str) -> None:
    platform.move(300)
    platform.sync(BANK)
    platform.move(800, "wide ", repeat=200)  # more than one connection buffers
    _die(platform, BANK, MOMENTS[name], MOMENTS[name].server)
    platform.change()

    platform.stori("sync", "--json", BANK.full_name).expect(0)

    platform.assert_equal(BANK)
    # Nothing was read twice to get there: one snapshot at the start, and changes ever since.
    assert [each.kind for each in platform.lake.manifests(BANK)][1:].count("snapshot") == 0


@pytest.mark.parametrize("name", ["in the extract", "before the manifest", "after the manifest", "before the commit", "after the commit"])
def test_a_killed_continuous_sync_leaves_nothing_that_is_lost_or_repeated(platform: Platform, name: str) -> None:
    platform.move(300)
    platform.sync(BANK)
    platform.move(800, "wide ", repeat=200)
    _die(platform, BANK, MOMENTS[name], MOMENTS[name].server, "sync", "--continuous")
    platform.change()

    platform.stori("sync", "--json", BANK.full_name).expect(0)

    platform.assert_equal(BANK)
    assert [each.kind for each in platform.lake.manifests(BANK)][1:].count("snapshot") == 0
    with DagsterInstance.from_config(platform.folder.as_posix()) as instance:
        killed = [run for run in instance.get_runs() if run.job_name == CONTINUOUS]
        assert killed
        assert {run.status for run in killed} == {DagsterRunStatus.FAILURE}
        assert not {run.run_id for run in killed} & instance.event_log_storage.get_concurrency_run_ids()


@pytest.mark.parametrize("name", ["before the manifest", "after the commit"])
def test_a_killed_exchange_sync_leaves_nothing_that_the_next_one_loses_or_repeats(platform: Platform, name: str) -> None:
    platform.trade(0, 40)
    platform.sync(EXCHANGE)
    trades = platform.trades
    platform.trade(100, 20)
    trades.delete_one({"id": f"{3:024x}"})
    _die(platform, EXCHANGE, MOMENTS[name], MOMENTS[name].server)
    platform.trade(200, 5)
    trades.delete_one({"id": f"{4:024x}"})
    trades.update_one({"id": f"{101:024x}"}, {"$set": {"shares": 777}})

    platform.stori("sync", "--json", EXCHANGE.full_name).expect(0)

    platform.assert_equal(EXCHANGE)
    assert platform.query("SELECT COUNT(*), MAX(shares) FROM exchange.trades") == [(63, 777)]
    assert [each.kind for each in platform.lake.manifests(EXCHANGE)][1:].count("snapshot") == 0


def test_a_killed_run_is_ended_and_its_slot_is_freed(platform: Platform) -> None:
    platform.move(10)
    # Before the very first part, so that the run has begun, and holds its table's slot.
    _die(platform, BANK, MOMENTS["before a part"], "s3")
    with DagsterInstance.from_config(platform.folder.as_posix()) as instance:
        before = {run.run_id: run.status for run in instance.get_runs() if run.tags.get(TABLES_TAG) == BANK.full_name}
        killed = next(run for run in before if before[run] == DagsterRunStatus.STARTED)
        assert killed in instance.event_log_storage.get_concurrency_run_ids()

        platform.stori("sync", "--json", BANK.full_name).expect(0)

        after = instance.get_run_by_id(killed)
        assert after is not None
        assert after.status == DagsterRunStatus.FAILURE
        assert killed not in instance.event_log_storage.get_concurrency_run_ids()
