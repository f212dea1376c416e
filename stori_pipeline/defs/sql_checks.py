"""Checks that are statements: each returns the rows which fail.

Belongs here: those that a record implies, those of `sql/checks/<schema>/<name>/*.sql`, running them, and when each has to run again. Does
not belong here: checks that look at a source or at S3 (`checks`).

**When.** A statement may read more than the asset that it is attached to: a fact's references read the dimensions. So it runs after
whatever it reads has been loaded in the same run, and whenever any of that was, even where its own asset stayed as it was: a gap that
closes because the missing row arrives is seen to close. Checks that read nothing else are a step of their own, which the failure of
another table does not skip.
"""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
    multi_asset_check,
)

from stori_pipeline.defs.keys import relation_key
from stori_pipeline.defs.metadata import preview
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, WarehouseResource, lake_of
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import Project
from stori_pipeline.model.report import tables_of
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.retries import RETRY, only_transient
from stori_pipeline.warehouse import Warehouse, WarehouseError, WarehouseUnavailable
from stori_pipeline.warehouse.dialect import quoted, relation

SHOWN = 20
"""How many failing rows a check shows at most."""


@functools.lru_cache(maxsize=1_000)
def _tables_read(statement: str, project: Project) -> set[str]:
    return tables_of(statement, {star.name: star for star in project.stars})


@dataclass(frozen=True)
class RowCheck:
    """A statement that returns the rows which fail, and how bad that is. `where` is its file, empty where a record implies it."""

    name: str
    description: str
    statement: str
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR
    where: str = ""

    def reads(self, project: Project) -> frozenset[str]:
        """Full names of all that the statement reads of the project.

        Raises:
            DefinitionError: the statement is not one SELECT.
        """
        if not self.where:
            return frozenset()  # nothing beside its own table
        try:
            return project.names & _tables_read(self.statement, project)
        except DefinitionError as error:
            raise DefinitionError(f"{self.where}: {error}") from error


@dataclass(frozen=True)
class OwnCheck:
    """A check of another kind that runs in the same step as the statements."""

    name: str
    description: str
    judge: Callable[[Table, LakeResource, Warehouse], AssetCheckResult]


def row_checks(table: Table, folder: Path | None = None) -> list[RowCheck]:
    """What the record implies and Redshift does not enforce, then the table's files."""
    key = ", ".join(map(quoted, table.key))
    needed = [c.name for c in table.columns if not c.nullable]
    nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in needed)
    implied = [
        RowCheck(
            "key_unique",
            f"No two rows have the same ({', '.join(table.key)}).",
            f"SELECT {key}, COUNT(*) AS occurrences FROM {relation(table)} GROUP BY {key} HAVING COUNT(*) > 1",
        ),
        RowCheck("not_null", f"No row lacks {', '.join(needed)}.", f"SELECT {key} FROM {relation(table)} WHERE {nulls}"),
    ]
    return implied + file_checks(table.full_name, folder)


def file_checks(full_name: str, folder: Path | None) -> list[RowCheck]:
    if folder is None:
        return []
    return [parse(file) for file in sorted((folder / full_name.replace(".", "/")).glob("*.sql"))]


def parse(file: Path) -> RowCheck:
    """A check from its file: leading comment lines hold `severity: warn` or `severity: error`, and the description."""
    text = file.read_text(encoding="utf-8")
    heading = re.match(r"(?:--[^\n]*\n)*", text)
    lines = [line.lstrip("-").strip() for line in (heading.group() if heading else "").splitlines()]
    severities = [line.split(":", 1)[1].strip() for line in lines if line.startswith("severity:")]
    if len(severities) != 1 or severities[0] not in ("warn", "error"):
        raise DefinitionError(f"{file.name}: its first comment lines must hold `-- severity: warn` or `-- severity: error`, once")
    description = " ".join(line for line in lines if not line.startswith("severity:")).strip()
    if not description:
        raise DefinitionError(f"{file.name}: its first comment lines must say what holds when it returns no row")
    severity = AssetCheckSeverity.WARN if severities[0] == "warn" else AssetCheckSeverity.ERROR
    statement = text[heading.end() if heading else 0 :].strip().rstrip("; \n")
    return RowCheck(file.stem, description, statement, severity, "sql/checks/" + "/".join(file.parts[-3:]))


def steps(
    project: Project, full_name: str, checks: Sequence[RowCheck], table: Table | None = None, own: Sequence[OwnCheck] = ()
) -> list[AssetChecksDefinition]:
    """The checks of one asset of the warehouse, as the steps that run them: one, or two where some read other assets too."""
    alone = [check for check in checks if check.reads(project) <= {full_name}]
    across = [check for check in checks if check not in alone]
    return [
        _step(project, full_name, some, table, others, ending)
        for some, others, ending in ((alone, own, ""), (across, (), "__across"))
        if some or others
    ]


def _step(
    project: Project, full_name: str, checks: Sequence[RowCheck], table: Table | None, own: Sequence[OwnCheck], ending: str
) -> AssetChecksDefinition:
    key = relation_key(full_name)
    statements, others = {check.name: check for check in checks}, {check.name: check for check in own}
    specs = [
        AssetCheckSpec(
            check.name,
            asset=key,
            description=check.description,
            additional_deps=[relation_key(name) for name in sorted(check.reads(project) - {full_name})],
        )
        for check in checks
    ]
    specs += [AssetCheckSpec(check.name, asset=key, description=check.description) for check in own]

    @multi_asset_check(name=f"checks__{key.to_python_identifier()}{ending}", specs=specs, can_subset=True, retry_policy=RETRY)
    def holds(
        context: AssetCheckExecutionContext, lake: LakeResource, processed: ProcessedResource, warehouse: WarehouseResource
    ) -> Iterator[AssetCheckResult]:
        mirrors = warehouse.open()
        for selected in sorted(check.name for check in context.selected_asset_check_keys):
            with only_transient():
                if selected in others and table is not None:
                    result = others[selected].judge(table, lake_of(table, lake, processed), mirrors)
                else:
                    result = _failing_rows(full_name, statements[selected], mirrors)
            yield result

    return holds


def checks_reading(project: Project, names: frozenset[str]) -> list[AssetCheckKey]:
    """The checks of assets outside `names` whose statements read something in them."""
    return [
        AssetCheckKey(relation_key(name), check.name)
        for name in sorted(project.names - names)
        for check in graph_checks(project)[name]
        if check.reads(project) & names
    ]


@functools.lru_cache(maxsize=8)
def graph_checks(project: Project) -> dict[str, list[RowCheck]]:
    """The statements of every table and report, by its full name. Read once: a process knows the files as they were when it began."""
    of_tables = {name: row_checks(table, project.checks) for name, table in project.mirrors.items()}
    return of_tables | {report.full_name: file_checks(report.full_name, project.checks) for report in project.reports}


def _failing_rows(full_name: str, check: RowCheck, warehouse: Warehouse) -> AssetCheckResult:
    statement = f"SELECT failing.*, COUNT(*) OVER () AS failing_rows FROM (\n{check.statement}\n) AS failing LIMIT {SHOWN}"
    key = relation_key(full_name)
    try:
        with warehouse.session(f"check {check.name} of {full_name}") as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            names = [column.name for column in cursor.description or ()][:-1]
            rows = cursor.fetchall()
    except WarehouseUnavailable:
        raise
    except WarehouseError as error:
        # A statement that the warehouse refuses is this check's failure and must not silence the others.
        return AssetCheckResult(check_name=check.name, asset_key=key, passed=False, description=str(error))
    said: dict[str, Any] = {"failing_rows": int(rows[0][-1]) if rows else 0}
    if rows:
        said["examples"] = MetadataValue.md(preview(names, (row[:-1] for row in rows)))
    return AssetCheckResult(
        check_name=check.name,
        asset_key=key,
        passed=not rows,
        severity=check.severity,
        metadata=said,
        description=f"{full_name}: {said['failing_rows']} rows in which this does not hold; examples are in the metadata" if rows else None,
    )
