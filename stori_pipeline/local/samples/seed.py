"""`stori seed`: the sources filled with their sample data.

Belongs here: which source is filled by what, and the order of things. Drawing progress is the caller's; what the data look like and
how they get into a source is said beside this.

A source that holds rows is left alone: an application may have worked on it since, and what that deleted shall stay deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from stori_pipeline.local.samples import app, drops, totesys
from stori_pipeline.local.samples.bank import ROWS, write_txns
from stori_pipeline.local.samples.bank_import import create_schema, import_txns
from stori_pipeline.local.samples.database import holds_rows
from stori_pipeline.local.samples.exchange import TRADES, write_trades
from stori_pipeline.local.samples.exchange_import import create_collection, holds_trades, import_trades
from stori_pipeline.local.samples.report import SeedReport, TableSeed
from stori_pipeline.settings import Settings

WRAPPED_TRADES = 500
"""The first so many trades are stored in the original shape, so that the sample data has documents of both."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Job:
    """What a seed was asked for, and whom it tells."""

    data_dir: Path
    rows: int
    trades: int
    users: int
    totesys_until: date
    say: Callable[[str], None] = field(repr=False)
    progress: Progress = field(repr=False)

    def shown(self, label: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(label, done, total)

    def file(self, name: str, write: Callable[[Path], None]) -> Path:
        """The file of that name, written where it is missing."""
        path = self.data_dir / name
        if path.exists():
            self.say(f"{path} is there and is taken as it is")
        else:
            write(path)
        return path


def _bank(url: str, job: _Job) -> list[TableSeed]:
    path = job.file("txns.csv", lambda path: write_txns(path, rows=job.rows, progress=job.shown("writing txns.csv")))
    return [TableSeed.of_import("bank.transactions", import_txns(url, path, progress=job.shown("importing transactions")))]


def _exchange(url: str, job: _Job) -> list[TableSeed]:
    path = job.file("trades.json", lambda path: write_trades(path, trades=job.trades, progress=job.shown("writing trades.json")))
    report = import_trades(url, path, wrapped=WRAPPED_TRADES, progress=job.shown("importing trades"))
    return [TableSeed.of_import("exchange.trades", report)]


def _app(url: str, job: _Job) -> list[TableSeed]:
    transactions = job.users * app.TRANSACTIONS // app.USERS
    counts = app.write_past(url, users=job.users, transactions=transactions, progress=job.shown("writing the app's past"))
    return [TableSeed(f"app.{table}", count) for table, count in counts.items()]


def _totesys(url: str, job: _Job) -> list[TableSeed]:
    counts = totesys.write_past(url, until=job.totesys_until, progress=job.shown("writing the past of totesys"))
    return [TableSeed(f"totesys.{table}", count) for table, count in counts.items()]


@dataclass(frozen=True)
class _Sample:
    """One source: the setting with its address, making what its rows go into, whether it holds any, and filling it."""

    setting: str
    meaning: str
    prepare: Callable[[str], None]
    holds_rows: Callable[[str], bool]
    fill: Callable[[str, _Job], list[TableSeed]]
    file: str = ""
    """The file that its rows come from. Importing that again inserts what is missing; a past without a file is written once."""


_SAMPLES = {
    "bank": _Sample(
        "STORI_ADMIN_BANK",
        "the read-write address of the bank's database",
        create_schema,
        lambda url: holds_rows(url, "the bank", ["transactions"]),
        _bank,
        file="txns.csv",
    ),
    "exchange": _Sample(
        "STORI_ADMIN_EXCHANGE",
        "the read-write address of the exchange's database",
        create_collection,
        holds_trades,
        _exchange,
        file="trades.json",
    ),
    "app": _Sample(
        "STORI_ADMIN_APP",
        "the read-write address of the app's database",
        app.create_schema,
        lambda url: holds_rows(url, "the app", ["users", "transactions"]),
        _app,
    ),
    "totesys": _Sample(
        "STORI_ADMIN_TOTESYS",
        "the read-write address of the database of totesys",
        totesys.create_schema,
        lambda url: holds_rows(url, "totesys", ["address", "staff", "design", "sales_order", "payment"]),
        _totesys,
    ),
}


def seed(
    environ: Mapping[str, str],
    data_dir: Path,
    *,
    rows: int = ROWS,
    trades: int = TRADES,
    users: int = app.USERS,
    totesys_until: date = totesys.UNTIL,
    again: bool = False,
    say: Callable[[str], None] = lambda _line: None,
    progress: Progress = lambda _label, _done, _total: None,
) -> SeedReport:
    """Fill every source whose `STORI_ADMIN_...` is set and that holds no rows yet, and the bucket of drops where it holds no file.

    The rows of the bank and the exchange go through files, `txns.csv` and `trades.json` in `data_dir`, made where they are missing; a
    file that is there is taken as it is, whatever `rows` and `trades` say. The app has ten transactions per user. The past of
    totesys ends with the day `totesys_until`. `progress` is called with what is going on, how many rows of it are done, and of how many.

    Args:
        again: also import a file into a source that holds rows. That inserts what is not there; trades that were deleted come back.

    Raises:
        SettingError: no source has an address; the first is named.
        SampleError: a source cannot be reached or failed, or a file is not what its name says.
    """
    settings = Settings(environ)
    addressed = [name for name, sample in _SAMPLES.items() if environ.get(sample.setting)]
    if passed_over := [name for name in _SAMPLES if name not in addressed]:
        say(f"passed over, for want of an address: {', '.join(f'{name} ({_SAMPLES[name].setting})' for name in passed_over)}")
    job = _Job(data_dir, rows, trades, users, totesys_until, say, progress)
    tables: list[TableSeed] = []
    left_alone: dict[str, str] = {}
    for name in addressed or list(_SAMPLES):
        sample = _SAMPLES[name]
        url = settings.require(sample.setting, sample.meaning)
        sample.prepare(url)
        if sample.holds_rows(url) and not (again and sample.file):
            left_alone[name] = sample.file
        else:
            tables += sample.fill(url, job)
    if environ.get("STORI_SOURCE_DROPS"):
        if drops.holds_files(environ):
            left_alone["drops"] = ""
        else:
            dropped = drops.write_drops(environ)
            tables += [TableSeed("drops.card_settlements", dropped.settlements), TableSeed("drops.merchants", dropped.merchants)]
    return SeedReport(tuple(tables), left_alone)
