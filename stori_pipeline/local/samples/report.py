"""What an import did, and what it refused: the one shape for both files; and the error of all that is done here.

Belongs here: the report and the file of rejects beside the input. Does not belong here: why a line is refused.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RAW_SHOWN = 200


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
