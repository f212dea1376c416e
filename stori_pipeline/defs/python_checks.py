"""Checks in Python: functions of a project.

Belongs here: running a `PythonCheck`: reading its inputs, and its result. Does not belong here: what such a check is (`model.check`), or
when it runs (`check_steps`).
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from dagster import AssetCheckResult

from stori_pipeline.defs.check_steps import SHOWN, CheckResources, broken_check_result, failing_rows_result, severity_of
from stori_pipeline.model.check import PythonCheck
from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.retries import TRANSIENT


@dataclass(frozen=True)
class FrameCheck:
    """A check in Python with the tables of its inputs, by parameter."""

    check: PythonCheck
    inputs: dict[str, Table]

    @property
    def name(self) -> str:
        return self.check.name

    @property
    def description(self) -> str:
        return self.check.description

    def reads(self, project: Project) -> frozenset[str]:  # noqa: ARG002  (its inputs are known)
        return frozenset(table.full_name for table in self.inputs.values())

    def result(self, full_name: str, resources: CheckResources) -> AssetCheckResult:
        import polars as pl

        from stori_pipeline.pipeline.loaded_rows import loaded_rows

        try:
            frames = {name: loaded_rows(table, resources.lake(table), resources.warehouse) for name, table in self.inputs.items()}
            failing = self.check.failing_rows(**frames).lazy()
            count, examples = pl.collect_all([failing.select(pl.len()), failing.head(SHOWN)])
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001  (any error of a project's function fails this check, and must not stop the others)
            return broken_check_result(full_name, self.name, error, traceback.format_exc())
        return failing_rows_result(full_name, self.name, severity_of(self.check.severity), count.item(), examples.columns, examples.rows())


def python_checks(project: Project, full_name: str) -> list[FrameCheck]:
    """The project's checks in Python of that table."""
    return [FrameCheck(check, check.input_tables(project.mirrors)) for check in project.python_checks if check.table == full_name]
