"""Results and errors of the sample data: reports of imports and seeds, and the file of rejected lines.

Belongs here: the reports, the errors, and `<name>.rejects.csv`. Does not belong here: the reasons for a rejection.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_MAX_RAW = 200
_MAX_REJECTS = 5


class SampleError(RuntimeError):
    """The sample data cannot be generated, imported or changed. The message says where, why, and what to do."""


class ImportRefused(SampleError):
    """A file cannot be imported; nothing was inserted."""


class Refusal(ValueError):
    """A line or a trade is invalid. `column` is the name or path of the invalid field; "" for the whole line."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


@dataclass(frozen=True)
class Rejected:
    """A line or a trade that was not imported.

    Attributes:
        line: counts from 1, with the header.
        column: the name of the invalid field; "" for the whole line.
        raw: the first characters of the line, with unprintable ones escaped.
    """

    line: int
    column: str
    reason: str
    raw: str = ""


@dataclass(frozen=True)
class ImportReport:
    """The result of an import, in rows or trades. Each one read is counted in `inserted`, `existing`, `updated` or `rejected`."""

    path: Path
    inserted: int
    existing: int
    rejected: tuple[Rejected, ...] = ()
    ignored_columns: tuple[str, ...] = ()
    updated: int = 0

    @property
    def read(self) -> int:
        """The number of rows or trades read."""
        return self.inserted + self.existing + self.updated + len(self.rejected)


def printable(raw: str) -> str:
    """The first 200 characters of `raw`, on one line, with control characters and invalid text escaped."""
    return raw[:_MAX_RAW].encode("unicode_escape", "surrogatepass").decode("ascii")


def rejects_path(path: Path) -> Path:
    """The file of the rejected lines of the input at `path`."""
    return path.with_name(path.stem + ".rejects.csv")


def write_rejects(path: Path, rejected: Sequence[Rejected]) -> None:
    """Write the rejected lines to their file beside the input at `path`; without rejected lines, delete the file of an earlier import."""
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
    """The result of a seed for one table: rows inserted, and the report of the import if they came from a file."""

    table: str
    inserted: int
    imported: ImportReport | None = None

    @classmethod
    def of_import(cls, table: str, report: ImportReport) -> TableSeed:
        return cls(table, report.inserted, report)

    def lines(self) -> Iterator[str]:
        """The result as lines to print."""
        if self.imported is None:
            yield f"{self.table}: {self.inserted:,} inserted"
            return
        report = self.imported
        updated = f", {report.updated:,} updated" if report.updated else ""
        yield f"{self.table}: {report.inserted:,} inserted{updated}, {report.existing:,} existed already, {len(report.rejected):,} rejected"
        if report.ignored_columns:
            yield f"  unknown columns, ignored: {', '.join(map(repr, report.ignored_columns))}"
        for rejected in report.rejected[:_MAX_REJECTS]:
            yield f"  line {rejected.line:,}: {rejected.column + ': ' if rejected.column else ''}{rejected.reason}"
        if report.rejected:
            yield f"  all rejected lines: {rejects_path(report.path)}"


@dataclass(frozen=True)
class SeedReport:
    """The result of a seed.

    Attributes:
        tables: the tables of the sources that were filled.
        skipped: the sources that had rows already, each with the file of its sample data; "" if the data do not come from a file.
    """

    tables: tuple[TableSeed, ...]
    skipped: Mapping[str, str]

    @property
    def inserted(self) -> dict[str, int]:
        """Rows inserted by table, without skipped sources."""
        return {table.table: table.inserted for table in self.tables}

    def lines(self) -> Iterator[str]:
        """The result as lines to print."""
        for table in self.tables:
            yield from table.lines()
        for source, file in self.skipped.items():
            advice = f"; `stori seed --again` imports {file} and inserts its missing rows" if file else ""
            yield f"{source}: skipped, because it has rows already{advice}"
