"""What an import did, and what it refused; what a whole seed did; and the error of all that is done here.

Belongs here: the reports and the file of rejects beside the input. Does not belong here: why a line is refused.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RAW_SHOWN = 200
_REJECTS_SHOWN = 5


class SampleError(RuntimeError):
    """The sample data could not be made, imported or worked on. The message says where, why, and what to do."""


class ImportRefused(SampleError):
    """A file that cannot be imported at all; nothing of it went in."""


@dataclass(frozen=True)
class Rejected:
    """One line (or one trade) that did not go in.

    `line` counts from 1, the header included; `column` is a column's or a field's name, or empty where the whole line is at
    fault; `raw` is the beginning of what stood there, anything unprintable escaped.
    """

    line: int
    column: str
    reason: str
    raw: str = ""


@dataclass(frozen=True)
class ImportReport:
    """Counts in rows (or trades). Everything read is in exactly one of `inserted`, `already_there` and `rejected`."""

    path: Path
    inserted: int
    already_there: int
    rejected: tuple[Rejected, ...] = ()
    ignored_columns: tuple[str, ...] = ()

    @property
    def read(self) -> int:
        return self.inserted + self.already_there + len(self.rejected)


def shown(raw: str) -> str:
    """The beginning of `raw`, fit to print: one line, no control characters, no broken text."""
    return raw[:RAW_SHOWN].encode("unicode_escape", "surrogatepass").decode("ascii")


def rejects_path(path: Path) -> Path:
    return path.with_name(path.stem + ".rejects.csv")


def write_rejects(path: Path, rejected: Sequence[Rejected]) -> None:
    """Write the rejects beside the input at `path`; where there are none, remove what an earlier import left there."""
    target = rejects_path(path)
    if not rejected:
        target.unlink(missing_ok=True)
        return
    part = target.with_name(target.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("line", "column", "reason", "raw"))
        writer.writerows((r.line, r.column, r.reason, r.raw) for r in rejected)
    part.replace(target)


@dataclass(frozen=True)
class TableSeed:
    """What a seed did to one table, in rows. `imported` is there where they came from a file."""

    table: str
    inserted: int
    imported: ImportReport | None = None

    @classmethod
    def of_import(cls, table: str, report: ImportReport) -> TableSeed:
        return cls(table, report.inserted, report)

    def lines(self) -> Iterator[str]:
        """What was done, in lines to show."""
        if self.imported is None:
            yield f"{self.table}: {self.inserted:,} inserted"
            return
        report = self.imported
        yield f"{self.table}: {report.inserted:,} inserted, {report.already_there:,} already there, {len(report.rejected):,} rejected"
        if report.ignored_columns:
            yield f"  columns not known and ignored: {', '.join(map(repr, report.ignored_columns))}"
        for rejected in report.rejected[:_REJECTS_SHOWN]:
            yield f"  line {rejected.line:,}: {rejected.column + ': ' if rejected.column else ''}{rejected.reason}"
        if report.rejected:
            yield f"  all that were rejected: {rejects_path(report.path)}"


@dataclass(frozen=True)
class SeedReport:
    """The tables of the sources that were filled, and the sources that held rows and were left alone, each with the file its rows
    come from, if they come from one."""

    tables: tuple[TableSeed, ...]
    left_alone: Mapping[str, str]

    @property
    def inserted(self) -> dict[str, int]:
        """Rows by table, of the sources that were not left alone."""
        return {table.table: table.inserted for table in self.tables}

    def lines(self) -> Iterator[str]:
        """What was done, in lines to show."""
        for table in self.tables:
            yield from table.lines()
        for source, file in self.left_alone.items():
            more = f"; `stori seed --again` imports {file} all the same, which inserts what is not there" if file else ""
            yield f"{source}: holds rows already and is left alone{more}"
