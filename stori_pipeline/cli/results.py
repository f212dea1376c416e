"""The result of a sync for each table, report and chart, as data.

Belongs here: what a result has. Does not belong here: running a sync (`sync`), or printing (`data`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed in a run. `warns` says whether its failure is a warning."""

    name: str
    message: str
    warns: bool


@dataclass(frozen=True)
class SyncResult:
    """The result of a run for one table, report or chart.

    Attributes:
        batch: number of the batch that was landed; None if nothing was new, and for reports and charts.
        kind: `snapshot` or `changes`; of a report `table` or `view`; of a chart `drawn`. None if nothing was new.
        rows_loaded: rows inserted; of a report its rows, of a chart its values.
        rejected: rows that went to quarantine.
        seconds: time of landing and loading.
        error: the message of the first error, or "".
        refused: why rows that the source deleted were not looked for, though that was asked; or "".
        notes: what the reading found that is neither a row nor a rejected row, such as that there is no file yet.
        failed_checks: of each check that failed, its name, and what it says; a warning says so.
        layer: `source`, `star`, `report` or `chart`.
    """

    table: str
    batch: int | None = None
    kind: str | None = None
    rows_landed: int = 0
    rows_loaded: int = 0
    rows_deleted: int = 0
    rejected: int = 0
    seconds: float = 0.0
    error: str = ""
    refused: str = ""
    layer: str = "source"
    notes: tuple[str, ...] = ()
    failed_checks: tuple[FailedCheck, ...] = ()
