"""Checks in SQL: statements that return the failing rows.

Belongs here: the checks that follow from a definition, those of `sql/checks/<schema>/<name>/*.sql`, and running them. Does not belong here:
checks in Python (`python_checks`), or when a check runs (`check_steps`).
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from dagster import AssetCheckResult, AssetCheckSeverity

from stori_pipeline.defs.check_steps import SHOWN, CheckResources, broken_check_result, failing_rows_result
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import quoted
from stori_pipeline.model.project import Project
from stori_pipeline.model.report import tables_of
from stori_pipeline.model.table import Table
from stori_pipeline.warehouse import WarehouseError, WarehouseUnavailable
from stori_pipeline.warehouse.dialect import relation


@functools.lru_cache(maxsize=1_000)
def _tables_read(statement: str, project: Project) -> set[str]:
    return tables_of(statement, {star.name: star for star in project.stars})


@dataclass(frozen=True)
class SqlCheck:
    """A statement that returns the failing rows. `file` is the path of its file; "" if the check follows from a definition."""

    name: str
    description: str
    statement: str
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR
    file: str = ""

    def reads(self, project: Project) -> frozenset[str]:
        """Full names of the project's tables and reports that the statement reads.

        Raises:
            DefinitionError: the statement is not one SELECT.
        """
        if not self.file:
            return frozenset()  # it reads only its own table
        try:
            return project.names & _tables_read(self.statement, project)
        except DefinitionError as error:
            raise DefinitionError(f"{self.file}: {error}") from error

    def result(self, full_name: str, resources: CheckResources) -> AssetCheckResult:
        statement = f"SELECT failing.*, COUNT(*) OVER () AS failing_rows FROM (\n{self.statement}\n) AS failing LIMIT {SHOWN}"
        try:
            with resources.warehouse.session(f"check {self.name} of {full_name}") as connection, connection.cursor() as cursor:
                cursor.execute(statement)
                columns = [column.name for column in cursor.description or ()][:-1]
                rows = cursor.fetchall()
        except WarehouseUnavailable:
            raise
        except WarehouseError as error:
            return broken_check_result(full_name, self.name, error)
        count = int(rows[0][-1]) if rows else 0
        return failing_rows_result(full_name, self.name, self.severity, count, columns, [row[:-1] for row in rows])


def table_checks(table: Table, folder: Path | None = None) -> list[SqlCheck]:
    """The checks of constraints that Redshift does not enforce, then the checks in the table's files."""
    key = ", ".join(map(quoted, table.key))
    required = [c.name for c in table.columns if not c.nullable]
    nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in required)
    implied = [
        SqlCheck(
            "key_unique",
            f"No two rows have the same ({', '.join(table.key)}).",
            f"SELECT {key}, COUNT(*) AS occurrences FROM {relation(table)} GROUP BY {key} HAVING COUNT(*) > 1",
        ),
        SqlCheck("not_null", f"No row lacks {', '.join(required)}.", f"SELECT {key} FROM {relation(table)} WHERE {nulls}"),
    ]
    return implied + file_checks(table.full_name, folder)


def file_checks(full_name: str, folder: Path | None) -> list[SqlCheck]:
    if folder is None:
        return []
    return [parse_check(file) for file in sorted((folder / full_name.replace(".", "/")).glob("*.sql"))]


def parse_check(file: Path) -> SqlCheck:
    """The check in a file. Its first comment lines hold `severity: warn` or `severity: error`, and the description.

    Raises:
        DefinitionError: the severity or the description is missing.
    """
    text = file.read_text(encoding="utf-8")
    heading = re.match(r"(?:--[^\n]*\n)*", text)
    lines = [line.lstrip("-").strip() for line in (heading.group() if heading else "").splitlines()]
    severities = [line.split(":", 1)[1].strip() for line in lines if line.startswith("severity:")]
    if len(severities) != 1 or severities[0] not in ("warn", "error"):
        raise DefinitionError(f"{file.name}: its first comment lines must hold `-- severity: warn` or `-- severity: error`, once")
    description = " ".join(line for line in lines if not line.startswith("severity:")).strip()
    if not description:
        raise DefinitionError(f"{file.name}: its first comment lines must say what is true when it returns no row")
    severity = AssetCheckSeverity.WARN if severities[0] == "warn" else AssetCheckSeverity.ERROR
    statement = text[heading.end() if heading else 0 :].strip().rstrip("; \n")
    return SqlCheck(file.stem, description, statement, severity, "sql/checks/" + "/".join(file.parts[-3:]))
