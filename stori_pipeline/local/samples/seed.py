"""`stori seed`: the sample files made and imported.

Belongs here: the order of things. Drawing progress is the caller's; what a file holds and how it is read is said beside this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stori_pipeline.local.samples.bank import ROWS, write_txns
from stori_pipeline.local.samples.bank_import import create_schema, import_txns
from stori_pipeline.local.samples.exchange import TRADES, write_trades
from stori_pipeline.local.samples.exchange_import import create_collection, import_trades
from stori_pipeline.local.samples.report import ImportReport, rejects_path
from stori_pipeline.settings import Settings

WRAPPED_TRADES = 500
"""The first so many trades are stored in the original shape, so that the sample data has documents of both."""

_SHOWN = 5


@dataclass(frozen=True)
class SeedReport:
    transactions: ImportReport
    trades: ImportReport

    def lines(self) -> Iterator[str]:
        """What was imported, in lines to show."""
        for table, report in (("bank.transactions", self.transactions), ("exchange.trades", self.trades)):
            yield f"{table}: {report.inserted:,} inserted, {report.already_there:,} already there, {len(report.rejected):,} rejected"
            if report.ignored_columns:
                yield f"  columns not known and ignored: {', '.join(map(repr, report.ignored_columns))}"
            for rejected in report.rejected[:_SHOWN]:
                yield f"  line {rejected.line:,}: {rejected.column + ': ' if rejected.column else ''}{rejected.reason}"
            if report.rejected:
                yield f"  all that were rejected: {rejects_path(report.path)}"


def seed(
    environ: Mapping[str, str],
    data_dir: Path,
    *,
    rows: int = ROWS,
    trades: int = TRADES,
    say: Callable[[str], None] = lambda _line: None,
    progress: Callable[[str, int, int], None] = lambda _label, _done, _total: None,
) -> SeedReport:
    """Make `txns.csv` and `trades.json` in `data_dir` where they are missing, and import both into their sources.

    A file that is there is taken as it is, whatever `rows` and `trades` say. Again: inserts only what is not there. `progress`
    is called with what is going on, how many rows of it are done, and of how many.

    Raises:
        SettingError: `STORI_ADMIN_BANK` or `STORI_ADMIN_EXCHANGE` is not set.
        SampleError: a source cannot be reached or failed, or a file is not what its name says.
    """
    settings = Settings(environ)
    bank = settings.require("STORI_ADMIN_BANK", "the read-write address of the bank's database")
    exchange = settings.require("STORI_ADMIN_EXCHANGE", "the read-write address of the exchange's database")
    txns_csv, trades_json = data_dir / "txns.csv", data_dir / "trades.json"

    create_schema(bank)
    create_collection(exchange)
    if txns_csv.exists():
        say(f"{txns_csv} is there and is taken as it is")
    else:
        write_txns(txns_csv, rows=rows, progress=lambda done, total: progress("writing txns.csv", done, total))
    if trades_json.exists():
        say(f"{trades_json} is there and is taken as it is")
    else:
        write_trades(trades_json, trades=trades, progress=lambda done, total: progress("writing trades.json", done, total))
    return SeedReport(
        transactions=import_txns(bank, txns_csv, progress=lambda done, total: progress("importing transactions", done, total)),
        trades=import_trades(
            exchange,
            trades_json,
            wrapped=WRAPPED_TRADES,
            progress=lambda done, total: progress("importing trades", done, total),
        ),
    )
