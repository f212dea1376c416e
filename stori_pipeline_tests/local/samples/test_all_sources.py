"""All four databases of the sample data at once: seeded, written to by all applications or by some, and locked against nobody."""

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from stori_pipeline.local.samples.report import SampleError, SeedReport
from stori_pipeline.local.samples.seed import seed
from stori_pipeline.local.samples.workload import APPLICATIONS, late_transaction, round_of_changes, run_workload
from stori_pipeline.local.stack import Stack
from stori_pipeline.settings import SettingError
from stori_pipeline_tests.conftest import mongo_database, source_database
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.shipped import TABLES

SEEDED = ("bank", "exchange", "app", "totesys")
POSTGRES = ("bank", "app", "totesys")


@pytest.fixture(scope="module")
def environ(sources: Stack, mongo: Stack) -> Iterator[dict[str, str]]:
    with (
        source_database(sources) as bank,
        mongo_database(mongo) as exchange,
        source_database(sources) as app,
        source_database(sources) as totesys,
    ):
        yield {
            "STORI_ADMIN_BANK": bank.admin_url,
            "STORI_ADMIN_EXCHANGE": mongo.mongo_url("app", exchange.name),
            "STORI_ADMIN_APP": app.admin_url,
            "STORI_ADMIN_TOTESYS": totesys.admin_url,
        }


@pytest.fixture(scope="module")
def shown() -> dict[str, tuple[int, int]]:
    return {}


@pytest.fixture(scope="module")
def seeded(environ: dict[str, str], shown: dict[str, tuple[int, int]], tmp_path_factory: pytest.TempPathFactory) -> SeedReport:
    def progress(label: str, done: int, total: int) -> None:
        shown[label] = (done, total)

    folder = tmp_path_factory.mktemp("data")
    return seed(environ, folder, rows=300, trades=560, users=90, totesys_until=date(2022, 11, 18), progress=progress)


def count(environ: dict[str, str], full_name: str) -> int:
    source, table = full_name.split(".")
    ((found,),) = execute(environ[f"STORI_ADMIN_{source.upper()}"], f'SELECT count(*)::int FROM "{table}"')
    assert isinstance(found, int)
    return found


def open_transactions(environ: dict[str, str]) -> dict[str, int]:
    query = (
        "SELECT count(*)::int FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
    )
    found = {}
    for source in POSTGRES:
        ((held,),) = execute(environ[f"STORI_ADMIN_{source.upper()}"], query)
        assert isinstance(held, int)
        found[source] = held
    return found


def test_a_seed_fills_every_table_of_the_four_and_reports_each(
    environ: dict[str, str], seeded: SeedReport, shown: dict[str, tuple[int, int]]
) -> None:
    assert set(seeded.inserted) == {table.full_name for table in TABLES if table.source.name in SEEDED}
    assert (seeded.inserted["app.users"], seeded.inserted["app.transactions"]) == (90, 900)
    postgres = {name: rows for name, rows in seeded.inserted.items() if name.split(".")[0] in POSTGRES}
    assert {name: count(environ, name) for name in postgres} == postgres
    assert all(rows > 0 for rows in postgres.values())
    assert shown["writing the app's history"] == (990, 990)
    done, total = shown["writing the history of totesys"]
    assert done == total == sum(rows for name, rows in seeded.inserted.items() if name.startswith("totesys."))
    assert "app.users: 90 inserted" in list(seeded.lines())


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("again", [False, True])
def test_a_second_seed_leaves_the_pasts_alone(environ: dict[str, str], tmp_path: Path, again: bool) -> None:
    report = seed({name: url for name, url in environ.items() if "EXCHANGE" not in name and "BANK" not in name}, tmp_path, again=again)
    assert report.inserted == {}
    assert list(report.lines()) == [f"{source}: skipped, because it has rows already" for source in ("app", "totesys")]


@pytest.mark.usefixtures("seeded")
def test_a_round_has_every_kind_of_change_while_late_transactions_are_open(environ: dict[str, str]) -> None:
    with late_transaction(environ, seed=41):
        assert open_transactions(environ) == dict.fromkeys(POSTGRES, 1)
        counts = round_of_changes(environ, seed=42, operations=300)
    expected = {f"{source} {kind}" for source in SEEDED for kind in APPLICATIONS[source].kinds if kind != "late"}
    assert set(counts) >= expected | {f"{source} late commit" for source in POSTGRES}
    assert counts.total() == 300
    assert 5 < counts["app transact"] / counts["app register"] < 20
    assert open_transactions(environ) == dict.fromkeys(POSTGRES, 0)


@pytest.mark.usefixtures("seeded")
def test_a_workload_writes_to_the_sources_it_is_told_and_to_no_other(environ: dict[str, str]) -> None:
    counts = run_workload(environ, sources=["app"], rate=1_000, seconds=None, operations=60, seed=7, stop=threading.Event())
    assert {name.split()[0] for name in counts} == {"app"}
    assert counts.total() == 60
    some = {name: url for name, url in environ.items() if "TOTESYS" in name}
    written = round_of_changes(some, seed=8, operations=20)
    del written["found nothing to write to"]  # such as a payment that is due and not paid
    assert {name.split()[0] for name in written} == {"totesys"}
    with late_transaction(environ, seed=9, sources=["totesys"]):
        assert open_transactions(environ) == {"bank": 0, "app": 0, "totesys": 1}


def test_a_source_that_cannot_be_worked_on_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(SampleError, match="no application is called 'shop'; choose from bank, exchange, app, totesys"):
        round_of_changes(environ, seed=1, sources=["shop"])
    with pytest.raises(SettingError, match="STORI_ADMIN_APP"):
        round_of_changes({"STORI_ADMIN_BANK": environ["STORI_ADMIN_BANK"]}, seed=1, sources=["app"])
    with pytest.raises(SettingError, match="STORI_ADMIN_BANK"):
        round_of_changes({}, seed=1)
