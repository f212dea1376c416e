"""Checks in SQL, as asset checks.

Belongs here: running a `SqlCheck` in the warehouse. Does not belong here: what such a check is (`model.sql_check`), checks in Python
(`python_checks`), or when a check runs (`check_steps`).
"""

from dataclasses import dataclass

from dagster import AssetCheckResult

from stori_pipeline.defs.check_steps import SHOWN, CheckResources, broken_check_result, failing_rows_result, severity_of
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import Project
from stori_pipeline.model.sql_check import SqlCheck, file_checks, table_checks
from stori_pipeline.warehouse import WarehouseError, WarehouseUnavailable


@dataclass(frozen=True)
class StatementCheck:
    """A check in SQL as a check of its mirror or report.

    Args:
        undefined: what the statement reads and the project does not define: perhaps a table that it no longer has.
    """

    check: SqlCheck
    undefined: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.check.name

    @property
    def description(self) -> str:
        return self.check.description

    def reads(self, project: Project) -> frozenset[str]:
        return self.check.reads(project)

    def result(self, full_name: str, resources: CheckResources) -> AssetCheckResult:
        statement = f"SELECT failing.*, COUNT(*) OVER () AS failing_rows FROM (\n{self.check.statement}\n) AS failing LIMIT {SHOWN}"
        if self.undefined and (stale := self.undefined & resources.warehouse.newest_loads().loads.keys()):
            # The statement would succeed, on rows that nothing loads any more.
            return broken_check_result(full_name, self.name, DefinitionError(self._advice(stale, "nothing loads it any more")))
        try:
            with resources.warehouse.session(f"check {self.name} of {full_name}") as connection, connection.cursor() as cursor:
                cursor.execute(statement)
                columns = [column.name for column in cursor.description or ()][:-1]
                rows = cursor.fetchall()
        except WarehouseUnavailable:
            raise
        except WarehouseError as error:
            missing = self.undefined and f". {self._advice(self.undefined, 'no sync makes it')}"
            return broken_check_result(full_name, self.name, WarehouseError(f"{error}{missing}") if missing else error)
        count = int(rows[0][-1]) if rows else 0
        return failing_rows_result(full_name, self.name, severity_of(self.check.severity), count, columns, [row[:-1] for row in rows])

    def _advice(self, names: frozenset[str], why: str) -> str:
        return (
            f"{self.check.file} reads {', '.join(sorted(names))}, which the project does not define: {why}. Define it again, or change or "
            "remove the check"
        )


def sql_checks(project: Project, full_name: str) -> list[StatementCheck]:
    """The checks in SQL of a mirror or a report."""
    table = project.mirrors.get(full_name)
    found = table_checks(table, project.checks) if table else file_checks(full_name, project.checks)
    return [StatementCheck(check, check.relations(project) - project.relations) for check in found]
