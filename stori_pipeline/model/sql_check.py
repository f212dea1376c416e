"""A check in SQL: a statement that returns the failing rows.

Belongs here: what such a check is, those that follow from a definition, and reading those of `sql/checks/<schema>/<name>/*.sql`. Does not
belong here: checks in Python (`check`), or running either (`defs`).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import quoted
from stori_pipeline.model.report import tables_of
from stori_pipeline.model.sql_files import sql_text
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    from stori_pipeline.model.project import Project


@functools.lru_cache(maxsize=1_000)
def _tables_read(statement: str, project: Project) -> set[str]:
    return tables_of(statement, project.mirrors.values())


@dataclass(frozen=True)
class SqlCheck:
    """A statement that returns the failing rows. `file` is the path of its file; "" if the check follows from a definition."""

    name: str
    description: str
    statement: str
    severity: Literal["warn", "error"] = "error"
    file: str = ""

    def reads(self, project: Project) -> frozenset[str]:
        """Full names of the project's tables and reports that the statement reads. Errors as for `relations`."""
        return project.names & self.relations(project)

    def relations(self, project: Project) -> frozenset[str]:
        """Full names of everything that the statement reads, also of what the project does not define.

        Raises:
            DefinitionError: the statement is not one SELECT.
        """
        if not self.file:
            return frozenset()  # it reads only its own table
        try:
            return frozenset(_tables_read(self.statement, project))
        except DefinitionError as error:
            raise DefinitionError(f"{self.file}: {error}") from error


def table_checks(table: Table, folder: Path | None = None) -> list[SqlCheck]:
    """The checks of constraints that Redshift does not enforce, then the checks in the table's files."""
    mirror = f"{quoted(table.source.name)}.{quoted(table.name)}"
    key = ", ".join(map(quoted, table.key))
    required = [c.name for c in table.columns if not c.nullable]
    nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in required)
    implied = [
        SqlCheck(
            "key_unique",
            f"No two rows have the same ({', '.join(table.key)}).",
            f"SELECT {key}, COUNT(*) AS occurrences FROM {mirror} GROUP BY {key} HAVING COUNT(*) > 1",
        ),
        SqlCheck("not_null", f"No row lacks {', '.join(required)}.", f"SELECT {key} FROM {mirror} WHERE {nulls}"),
    ]
    return implied + file_checks(table.full_name, folder)


def file_checks(full_name: str, folder: Path | None) -> list[SqlCheck]:
    """The checks of a table or report in the files of its folder."""
    if folder is None:
        return []
    return [parse_check(file) for file in sorted((folder / full_name.replace(".", "/")).glob("*.sql"))]


def parse_check(file: Path) -> SqlCheck:
    """The check in a file. Its first comment lines hold `severity: warn` or `severity: error`, and the description.

    Raises:
        DefinitionError: the severity or the description is missing.
    """
    text = sql_text(file, file.name)
    heading = re.match(r"(?:--[^\n]*\n)*", text)
    lines = [line.lstrip("-").strip() for line in (heading.group() if heading else "").splitlines()]
    severities = [line.split(":", 1)[1].strip() for line in lines if line.startswith("severity:")]
    if severities not in (["warn"], ["error"]):
        raise DefinitionError(f"{file.name}: its first comment lines must hold `-- severity: warn` or `-- severity: error`, once")
    description = " ".join(line for line in lines if not line.startswith("severity:")).strip()
    if not description:
        raise DefinitionError(f"{file.name}: its first comment lines must say what is true when it returns no row")
    severity: Literal["warn", "error"] = "warn" if severities == ["warn"] else "error"
    statement = text[heading.end() if heading else 0 :].strip().rstrip("; \n")
    return SqlCheck(file.stem, description, statement, severity, "sql/checks/" + "/".join(file.parts[-3:]))
