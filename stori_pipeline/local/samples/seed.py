"""Fills the sources with their sample data, for `stori seed`.

Belongs here: how each source is filled, and the order. Does not belong here: generating and importing the data (the other modules), and
drawing progress (the caller). A source that has rows is skipped, because an application may have changed it, and deleted rows must stay
deleted.
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
from stori_pipeline.local.samples.s3_files import as_folder
from stori_pipeline.settings import Settings

WRAPPED_TRADES = 500
"""The number of trades that are stored in the original format, so that the sample data have documents of both formats."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Job:
    """The arguments of a seed."""

    data_dir: Path
    rows: int
    trades: int
    users: int
    totesys_until: date
    say: Callable[[str], None] = field(repr=False)
    progress: Progress = field(repr=False)

    def progress_of(self, label: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(label, done, total)

    def file(self, name: str, write: Callable[[Path], None]) -> Path:
        """The path of a sample file, which is written if it does not exist."""
        path = self.data_dir / name
        if path.exists():
            self.say(f"{path} exists already and is used unchanged")
        else:
            write(path)
        return path


def _bank(url: str, job: _Job) -> list[TableSeed]:
    path = job.file("txns.csv", lambda path: write_txns(path, rows=job.rows, progress=job.progress_of("writing txns.csv")))
    return [TableSeed.of_import("bank.transactions", import_txns(url, path, progress=job.progress_of("importing transactions")))]


def _exchange(url: str, job: _Job) -> list[TableSeed]:
    path = job.file("trades.json", lambda path: write_trades(path, trades=job.trades, progress=job.progress_of("writing trades.json")))
    report = import_trades(url, path, wrapped=WRAPPED_TRADES, progress=job.progress_of("importing trades"))
    return [TableSeed.of_import("exchange.trades", report)]


def _app(url: str, job: _Job) -> list[TableSeed]:
    transactions = job.users * app.TRANSACTIONS // app.USERS
    counts = app.write_past(url, users=job.users, transactions=transactions, progress=job.progress_of("writing the app's history"))
    return [TableSeed(f"app.{table}", count) for table, count in counts.items()]


def _totesys(url: str, job: _Job) -> list[TableSeed]:
    counts = totesys.write_past(url, until=job.totesys_until, progress=job.progress_of("writing the history of totesys"))
    return [TableSeed(f"totesys.{table}", count) for table, count in counts.items()]


@dataclass(frozen=True)
class _Sample:
    """How one source is filled.

    Attributes:
        setting, meaning: the setting that holds its address, and what the setting should hold.
        prepare: creates its tables or collections.
        holds_rows: whether it has rows.
        fill: inserts the sample data.
        file: the file of its sample data, which may be imported again; "" if there is none.
    """

    setting: str
    meaning: str
    prepare: Callable[[str], None]
    holds_rows: Callable[[str], bool]
    fill: Callable[[str, _Job], list[TableSeed]]
    file: str = ""


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
    data: str | Path,
    *,
    rows: int = ROWS,
    trades: int = TRADES,
    users: int = app.USERS,
    totesys_until: date = totesys.UNTIL,
    again: bool = False,
    say: Callable[[str], None] = lambda _line: None,
    progress: Progress = lambda _label, _done, _total: None,
) -> SeedReport:
    """Fill every source whose setting `STORI_ADMIN_...` is set and that has no rows, and the bucket of drops if it has no file.

    Args:
        environ: the settings.
        data: the folder of `txns.csv` and `trades.json`, which are written if they do not exist. An existing file is used unchanged,
            whatever `rows` and `trades` are. In S3 (`s3://bucket/folder`) the files must exist.
        rows: number of bank transactions.
        trades: number of trades.
        users: number of users of the app. Each has ten transactions.
        totesys_until: the last day with data in totesys.
        again: also import the files into sources that have rows. Inserts missing rows and trades, and updates trades that changed in
            their file.
        say: called with one line per event.
        progress: called with a label, the number of rows done, and the number of all rows.

    Raises:
        SettingError: no source has an address. The message names the first.
        SampleError: a source does not answer or failed, or a file is invalid.
    """
    settings = Settings(environ)
    addressed = [name for name, sample in _SAMPLES.items() if environ.get(sample.setting)]
    if without_address := [name for name in _SAMPLES if name not in addressed]:
        say(f"skipped, because the setting is not set: {', '.join(f'{name} ({_SAMPLES[name].setting})' for name in without_address)}")
    urls: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for name in addressed or list(_SAMPLES):
        sample = _SAMPLES[name]
        url = settings.require(sample.setting, sample.meaning)
        sample.prepare(url)
        if sample.holds_rows(url) and not (again and sample.file):
            skipped[name] = sample.file
        else:
            urls[name] = url
    with as_folder(environ, data, [_SAMPLES[name].file for name in urls if _SAMPLES[name].file]) as folder:
        job = _Job(folder, rows, trades, users, totesys_until, say, progress)
        tables = [table for name, url in urls.items() for table in _SAMPLES[name].fill(url, job)]
    if environ.get("STORI_SOURCE_DROPS"):
        if drops.holds_files(environ):
            skipped["drops"] = ""
        else:
            counts = drops.write_drops(environ)
            tables += [TableSeed("drops.card_settlements", counts.settlements), TableSeed("drops.merchants", counts.merchants)]
    return SeedReport(tuple(tables), skipped)
