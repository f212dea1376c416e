"""`stori seed` and the applications on real sources: what they write, what they leave, and that they stop when told."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from stori_pipeline.local.samples import exchange_import
from stori_pipeline.local.samples.bank_writes import Bank
from stori_pipeline.local.samples.exchange_writes import Exchange
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.local.samples.seed import seed
from stori_pipeline.local.samples.workload import late_transaction, round_of_changes, run_workload
from stori_pipeline.local.stack import Stack
from stori_pipeline.settings import SettingError
from stori_pipeline_tests.conftest import MongoSource, SourceDatabase

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BREAKS = """
SELECT count(*) FROM (
    SELECT balance_amt - lag(balance_amt, 1, 0) OVER (PARTITION BY account_no ORDER BY transaction_no)
           - coalesce(deposit_amt, 0) + coalesce(withdrawal_amt, 0) AS gap FROM transactions
) AS checked WHERE gap <> 0
"""


class Sources:
    """Both sources, empty at first, and what is needed to look into them."""

    def __init__(self, source_db: SourceDatabase, mongo_db: MongoSource, mongo: Stack, data_dir: Path) -> None:
        self.environ = {"STORI_ADMIN_BANK": source_db.admin_url, "STORI_ADMIN_EXCHANGE": mongo.mongo_url("app", mongo_db.name)}
        self.data_dir = data_dir
        self.trades = mongo_db.database["trades"]

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.environ["STORI_ADMIN_BANK"])) as connection, connection, connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    def transactions(self) -> dict[int, tuple[Any, ...]]:
        return {row[0]: row for row in self.query("SELECT * FROM transactions")}

    def documents(self) -> dict[Any, dict[str, Any]]:
        return {document["_id"]: document for document in self.trades.find()}

    def open_transactions(self) -> int:
        ((count,),) = self.query(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        )
        return int(count)


@pytest.fixture
def empty(source_db: SourceDatabase, mongo_db: MongoSource, mongo: Stack, tmp_path: Path) -> Sources:
    return Sources(source_db, mongo_db, mongo, tmp_path)


@pytest.fixture
def sources_with_data(empty: Sources) -> Iterator[Sources]:
    seed(empty.environ, empty.data_dir, rows=2_000, trades=800)
    yield empty
    assert empty.open_transactions() == 0, "whatever a test did, it left no transaction open"


def test_seed_fills_both_sources_and_a_second_one_leaves_them_alone(empty: Sources) -> None:
    lines: list[str] = []
    seen: dict[str, tuple[int, int]] = {}

    def progress(label: str, done: int, total: int) -> None:
        seen[label] = (done, total)

    first = seed(empty.environ, empty.data_dir, rows=2_000, trades=800, say=lines.append, progress=progress)
    assert first.inserted == {"bank.transactions": 2_000, "exchange.trades": 800}
    assert seen == {
        "writing txns.csv": (2_000, 2_000),
        "writing trades.json": (800, 800),
        "importing transactions": (2_000, 2_000),
        "importing trades": (800, 800),
    }
    assert lines == ["skipped, because the setting is not set: app (STORI_ADMIN_APP), totesys (STORI_ADMIN_TOTESYS)"]
    before = empty.transactions(), empty.documents()
    assert Counter("data" in document for document in before[1].values()) == {True: 20, False: 300}

    alone = seed(empty.environ, empty.data_dir, rows=9, trades=9)
    assert alone.inserted == {}
    assert [line.split(";")[0] for line in alone.lines()] == [
        "bank: skipped, because it has rows already",
        "exchange: skipped, because it has rows already",
    ]
    again = seed(empty.environ, empty.data_dir, rows=9, trades=9, again=True, say=lines.append)
    assert list(again.lines()) == [
        "bank.transactions: 0 inserted, 2,000 existed already, 0 rejected",
        "exchange.trades: 0 inserted, 800 existed already, 0 rejected",
    ]
    assert len([line for line in lines if "is used unchanged" in line]) == 2
    assert (empty.transactions(), empty.documents()) == before


def test_a_seed_after_a_workload_brings_nothing_back_that_was_deleted(sources_with_data: Sources) -> None:
    with Exchange.open(sources_with_data.environ["STORI_ADMIN_EXCHANGE"], seed=3) as exchange:
        assert exchange.delete()
        assert exchange.delete_wrapped()
    after = sources_with_data.transactions(), sources_with_data.documents()
    seed(sources_with_data.environ, sources_with_data.data_dir)
    assert (sources_with_data.transactions(), sources_with_data.documents()) == after
    assert seed(sources_with_data.environ, sources_with_data.data_dir, again=True).inserted["exchange.trades"] == 26


def test_a_seed_that_was_cut_off_is_completed_by_the_next(empty: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_import, "_BATCH", 20)  # so that few trades are several batches

    def interrupt(label: str, done: int, total: int) -> None:
        if label == "importing trades":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed(empty.environ, empty.data_dir, rows=10, trades=560, progress=interrupt)
    assert 0 < len(empty.documents()) < 80
    completed = seed(empty.environ, empty.data_dir)
    assert list(completed.skipped) == ["bank"]
    assert 0 < completed.inserted["exchange.trades"] < 560
    assert sum(len(document.get("data", [1])) for document in empty.documents().values()) == 560
    assert list(seed(empty.environ, empty.data_dir).skipped) == ["bank", "exchange"]


def test_seed_shows_the_first_rejects_and_where_all_of_them_are(empty: Sources) -> None:
    seed(empty.environ, empty.data_dir, rows=10, trades=10)
    with (empty.data_dir / "txns.csv").open("a") as file:
        file.write("nonsense\n" * 7)
    lines = list(seed(empty.environ, empty.data_dir, again=True).lines())
    assert lines[0] == "bank.transactions: 0 inserted, 10 existed already, 7 rejected"
    assert lines[1] == "  line 12: 1 fields where the header has 8"
    assert lines[6] == f"  all rejected lines: {empty.data_dir / 'txns.rejects.csv'}"


def test_seed_without_addresses_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="STORI_ADMIN_BANK"):
        seed({}, tmp_path)


def test_a_round_does_every_kind_of_write(sources_with_data: Sources) -> None:
    before = sources_with_data.transactions(), sources_with_data.documents()
    counts = round_of_changes(sources_with_data.environ, seed=5, operations=120)
    assert set(counts) >= {
        "bank insert", "bank update", "bank silent edit", "bank delete", "bank burst", "bank late commit", "exchange insert",
        "exchange update", "exchange replace", "exchange delete", "exchange push", "exchange pull", "exchange edit wrapped",
        "exchange insert wrapped", "exchange delete wrapped",
    }  # fmt: skip
    assert counts.total() == 120
    after = sources_with_data.transactions(), sources_with_data.documents()

    edited = [(before[0][number], row) for number, row in after[0].items() if number in before[0] and row != before[0][number]]
    assert any(old[-1] == new[-1] for old, new in edited), "some edits leave updated_at where it was"
    assert any(old[-1] < new[-1] for old, new in edited), "some edits move it"
    assert before[0].keys() - after[0].keys()
    stamps = Counter(row[-1] for number, row in after[0].items() if number not in before[0])
    assert max(stamps.values()) >= 8, "a burst shares one updated_at"

    gone, came = before[1].keys() - after[1].keys(), after[1].keys() - before[1].keys()
    assert {"data" in before[1][one] for one in gone} == {True, False}
    assert {"data" in after[1][one] for one in came} == {True, False}
    assert any("data" in after[1][one] and after[1][one] != before[1][one] for one in after[1].keys() & before[1].keys())


def test_the_same_round_on_the_same_sources_leaves_the_same_rows(empty: Sources) -> None:
    found = []
    for _ in range(2):
        seed(empty.environ, empty.data_dir, rows=500, trades=600)
        counts = round_of_changes(empty.environ, seed=5, operations=60)
        rows = sorted(row[:-1] for row in empty.transactions().values())
        found.append((counts, rows, empty.documents()))
        empty.query("DROP TABLE transactions, imports; SELECT 1")
        empty.trades.drop()
    assert found[0] == found[1]


def test_only_deletes_of_older_movements_break_the_balances(sources_with_data: Sources) -> None:
    assert sources_with_data.query(BREAKS) == [(0,)]
    counts = round_of_changes(sources_with_data.environ, seed=6, operations=400)
    ((breaks,),) = sources_with_data.query(BREAKS)
    assert breaks <= counts["bank delete"]
    assert counts["bank insert"] > 10 * breaks


def test_a_silent_edit_does_not_move_updated_at(sources_with_data: Sources) -> None:
    before = sources_with_data.transactions()
    with Bank.open(sources_with_data.environ["STORI_ADMIN_BANK"], seed=3) as bank:
        assert all(bank.silent_edit() for _ in range(20))
    after = sources_with_data.transactions()
    changed = [number for number in before if before[number] != after[number]]
    assert 10 < len(changed) <= 20
    assert all(before[number][-1] == after[number][-1] for number in changed)


def test_a_late_transaction_is_seen_by_nobody_until_it_commits_behind_the_others(sources_with_data: Sources) -> None:
    before = sources_with_data.transactions()
    with late_transaction(sources_with_data.environ, seed=77):
        assert sources_with_data.transactions() == before
        assert sources_with_data.open_transactions() == 1
        round_of_changes(sources_with_data.environ, seed=5, operations=40)
        between = sources_with_data.transactions()
    after = sources_with_data.transactions()
    late = after.keys() - between.keys()
    assert len(late) == 3
    newest_before = max(row[-1] for row in between.values())
    assert all(after[number][-1] < newest_before for number in late), "its rows are stamped before rows that were there first"


@pytest.mark.parametrize("how", ["told to", "after an error"])
def test_a_late_transaction_may_roll_back(sources_with_data: Sources, how: str) -> None:
    before = sources_with_data.transactions()
    if how == "told to":
        with late_transaction(sources_with_data.environ, seed=77, commit=False):
            pass
    else:
        with pytest.raises(RuntimeError, match="in between"), late_transaction(sources_with_data.environ, seed=77):
            raise RuntimeError("in between")
    assert sources_with_data.transactions() == before


def test_the_workload_does_as_many_operations_as_it_is_told(sources_with_data: Sources) -> None:
    seen: list[int] = []
    counts = run_workload(
        sources_with_data.environ,
        rate=1_000,
        seconds=None,
        operations=150,
        seed=8,
        stop=threading.Event(),
        progress=lambda _label, done, _total: seen.append(done),
    )
    assert counts.total() == 150
    assert seen == list(range(1, 151))
    assert counts["bank insert"] > counts["bank delete"] > 0


def test_the_workload_keeps_its_rate_and_its_time(sources_with_data: Sources) -> None:
    counts = run_workload(sources_with_data.environ, rate=10, seconds=1, operations=None, seed=8, stop=threading.Event())
    assert 1 <= counts.total() <= 10


def test_the_workload_stops_when_told_and_ends_what_it_holds(sources_with_data: Sources) -> None:
    stop = threading.Event()
    held: list[int] = []

    def progress(_label: str, done: int, _total: int) -> None:
        # Stops as soon as a late transaction is open, which with this seed is soon.
        if open_now := sources_with_data.open_transactions():
            held.append(open_now)
            stop.set()

    counts = run_workload(sources_with_data.environ, rate=500, seconds=60, operations=None, seed=11, stop=stop, progress=progress)
    assert held
    assert counts["bank late commit"] == 1
    assert sources_with_data.open_transactions() == 0


def test_a_stop_is_heeded_between_two_slow_operations(sources_with_data: Sources) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    counts = run_workload(sources_with_data.environ, rate=0.01, seconds=None, operations=None, seed=8, stop=stop)
    timer.join()
    assert counts.total() == 1, "the next operation would have come after 100 seconds"


def test_a_workload_on_empty_sources_says_what_to_do(empty: Sources) -> None:
    seed(empty.environ, empty.data_dir, rows=0, trades=0)
    with pytest.raises(SampleError, match="stori seed"):
        round_of_changes(empty.environ, seed=1)


def test_a_rate_of_nothing_is_refused(sources_with_data: Sources) -> None:
    with pytest.raises(SampleError, match="greater than 0"):
        run_workload(sources_with_data.environ, rate=0, seconds=1, operations=None, seed=1, stop=threading.Event())


def test_files_in_s3_are_imported_and_their_rejected_lines_lie_beside_them(
    empty: Sources, idle_stack: Stack, bucket: str, s3: S3Client
) -> None:
    """As the scripts did that the importers replace. A changed trade is updated."""
    seed(empty.environ, empty.data_dir, rows=20, trades=20)
    environ, folder = empty.environ | dict(idle_stack.client_environ()), f"s3://{bucket}/from partner"
    txns, trades = (empty.data_dir / name for name in ("txns.csv", "trades.json"))
    txns.write_bytes(txns.read_bytes() + b"broken\n")
    changed = json.loads(trades.read_text())["data"]
    trades.write_text(json.dumps([{**changed[-1], "price": 3}]))
    s3.upload_file(str(txns), bucket, "from partner/txns.csv")
    with pytest.raises(SampleError, match=r"from partner/trades\.json cannot be read: .*; nothing was imported"):
        seed(environ, folder, again=True)
    s3.upload_file(str(trades), bucket, "from partner/trades.json")

    bank, exchange = seed(environ, folder, again=True).tables

    assert bank.imported is not None
    assert exchange.imported is not None
    assert (bank.inserted, bank.imported.existing, len(bank.imported.rejected)) == (0, 20, 1)
    assert (exchange.inserted, exchange.imported.updated) == (0, 1)
    assert b"broken" in s3.get_object(Bucket=bucket, Key="from partner/txns.rejects.csv")["Body"].read()
