"""What a report is: one SQL file, whose order, inputs and column lineage are read from the SQL itself.

Belongs here: the definition of a report, and loading reports from their folder. Does not belong here: how SQL is understood
(`sql_lineage`), how a report is made in the warehouse (`warehouse.reports`), or any report (they are `sql/reports/*.sql`).

A file is a header of comment lines that say what the report shows, then one SELECT. The header may hold the line
`-- materialized: table`; without it the report is a view.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stori_pipeline.model.changes import History
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import NAME
from stori_pipeline.model.sql_lineage import NotUnderstood, Relation, follow, named, parse
from stori_pipeline.model.star import REMOVED, Star
from stori_pipeline.model.table import Table

SCHEMA = "reports"
"""The warehouse's schema that reports are made in."""


@dataclass(frozen=True)
class Report:
    """One report.

    Args:
        name: the file's name without its ending.
        description: the header's text; paragraphs are apart by a blank line.
        materialized: whether it is a view or a table.
        statement: the SELECT.
        reads: full names of what it reads: `totesys.staff`, `star.dim_staff`, `reports.other`. A view of a star table counts as the table.
        columns: in order.
        lineage: for each column the (full name, column) pairs that it is made of.
        inputs: a hash of the definition of each of `reads`: where one changes, so does the report.
    """

    name: str
    description: str
    materialized: Literal["view", "table"]
    statement: str
    reads: tuple[str, ...]
    columns: tuple[str, ...]
    lineage: dict[str, list[tuple[str, str]]] = field(hash=False)
    inputs: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """`reports.sales_by_month`: the name people say, and the warehouse's `schema.table`."""
        return f"{SCHEMA}.{self.name}"

    @property
    def fingerprint(self) -> str:
        """A short hash of all that decides what the report's columns are and hold."""
        return _hash(self.materialized, self.statement, *self.columns, *self.inputs)

    @property
    def statement_hash(self) -> str:
        """A short hash of the statement alone, whatever its inputs are."""
        return _hash(self.statement)


def _hash(*said: str) -> str:
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def load_reports(folder: Path, tables: Sequence[Table], stars: Mapping[str, Star]) -> list[Report]:
    """The reports of a folder and of those in it, each after the ones that it reads.

    Args:
        tables: the records of the source tables.
        stars: the star tables by name.

    Raises:
        DefinitionError: a file makes no sense. The message names it, says what is wrong and what to do.
    """
    files = _files(folder)
    trees = {name: _understood(file, parse, text) for name, (file, text) in files.items()}
    return _Loading(files, trees, _relations(tables, stars)).reports()


def tables_of(sql: str, stars: Mapping[str, Star]) -> set[str]:
    """Full names of what a SELECT reads. A view of a star table counts as the table.

    Raises:
        DefinitionError: it is not one SELECT.
    """
    views = _views(stars)
    try:
        return {views[name].full_name if name in views else name for name in named(parse(sql))}
    except NotUnderstood as error:
        raise DefinitionError(str(error)) from error


def dependents(report: Report, reports: Sequence[Report]) -> list[Report]:
    """Those of `reports` that read it, directly or through others, each after the ones that it reads."""
    reached = {report.full_name}
    found = []
    for other in reports:
        if reached & set(other.reads):
            reached.add(other.full_name)
            found.append(other)
    return found


def _views(stars: Mapping[str, Star]) -> dict[str, Table]:
    """The warehouse's views of star tables by their full names: `redshift.statements.create_views` makes them."""
    views: dict[str, Table] = {}
    for each in stars.values():
        names = [*each.also, *([f"{each.name}_current"] if isinstance(each.table.changes, History) else [])]
        views |= {f"{each.table.source.name}.{name}": each.table for name in names}
    return views


@dataclass(frozen=True)
class _Known:
    """What a name stands for, and the hash of its definition."""

    relation: Relation
    fingerprint: str


def _relations(tables: Iterable[Table], stars: Mapping[str, Star]) -> dict[str, _Known]:
    known = {}
    for table in (*tables, *(each.table for each in stars.values())):
        kept = ("_deleted",) if table.keep_deleted else ()
        columns = (*(column.name for column in table.columns), *kept, "_batch", "_loaded_at")
        known[table.full_name] = _Known(Relation(table.full_name, columns), table.fingerprint)
    for view, table in _views(stars).items():
        known[view] = known[table.full_name]
        if view.endswith("_current"):
            present = tuple(column.name for column in table.columns if column.name != REMOVED.name)
            known[view] = _Known(Relation(table.full_name, present), table.fingerprint)
    return known


def _files(folder: Path) -> dict[str, tuple[str, str]]:
    """For each report its file, as it is called in errors, and the file's text."""
    files: dict[str, tuple[str, str]] = {}
    for file in sorted(folder.rglob("*.sql")):
        said = f"sql/reports/{file.relative_to(folder).as_posix()}"
        if not NAME.fullmatch(file.stem):
            raise DefinitionError(
                f"{said}: {file.stem!r} is not a name of lower-case letters, digits and underscores that starts with a letter"
            )
        if file.stem in files:
            raise DefinitionError(f"{said}: there is a report of that name in {files[file.stem][0]} too; rename one of the files")
        files[file.stem] = (said, file.read_text(encoding="utf-8"))
    return files


def _understood(file: str, step: Any, *arguments: Any) -> Any:
    try:
        return step(*arguments)
    except NotUnderstood as error:
        raise DefinitionError(f"{file}: {error}") from error


def _heading(file: str, text: str) -> tuple[str, Literal["view", "table"], str]:
    """Description, materialization and statement of a file's text."""
    heading = re.match(r"(?:--[^\n]*\n)*", text)
    end = heading.end() if heading else 0
    said, paragraphs = [], [""]
    for line in (line.removeprefix("--").strip() for line in text[:end].splitlines()):
        if line.startswith("materialized:"):
            said.append(line.partition(":")[2].strip())
        elif line:
            paragraphs[-1] = f"{paragraphs[-1]} {line}".strip()
        else:
            paragraphs.append("")
    description = "\n\n".join(filter(None, paragraphs))
    if not description:
        raise DefinitionError(f"{file}: its first lines must be comments that say what the report shows")
    if len(said) > 1 or said not in ([], ["view"], ["table"]):
        raise DefinitionError(f"{file}: its header may say `-- materialized: view` or `-- materialized: table`, once")
    return description, "table" if said == ["table"] else "view", text[end:].strip().rstrip("; \n")


class _Loading:
    """One loading of reports: each is followed after those that it reads, because its columns may be theirs."""

    def __init__(self, files: Mapping[str, tuple[str, str]], trees: Mapping[str, Any], known: dict[str, _Known]) -> None:
        self._files = files
        self._trees = trees
        self._known = known

    def reports(self) -> list[Report]:
        from graphlib import CycleError, TopologicalSorter

        reads = {name: named(tree) for name, tree in self._trees.items()}
        own = {f"{SCHEMA}.{name}": name for name in self._files}
        order = TopologicalSorter({name: [own[each] for each in written if each in own] for name, written in reads.items()})
        try:
            return [self._report(name, reads[name]) for name in order.static_order()]
        except CycleError as error:
            around = " reads ".join(reversed(error.args[1]))
            raise DefinitionError(f"sql/reports: reports read each other in a circle: {around}; break it in one of these files") from error

    def _report(self, name: str, reads: Sequence[str]) -> Report:
        file, text = self._files[name]
        description, materialized, statement = _heading(file, text)
        for each in reads:
            if each not in self._known:
                hint = "correct the name, or add what is missing" if "." in each else "write it with its schema"
                raise DefinitionError(f"{file}: it reads {each!r}, which is no source table, no star table and no report; {hint}")
        known = {each: self._known[each] for each in reads}
        select = _understood(file, follow, self._trees[name], {each: there.relation for each, there in known.items()})
        report = Report(
            name=name,
            description=description,
            materialized=materialized,
            statement=statement,
            reads=tuple(sorted({there.relation.full_name for there in known.values()})),
            columns=select.columns,
            lineage=select.lineage,
            inputs=tuple(there.fingerprint for there in known.values()),
        )
        self._known[report.full_name] = _Known(Relation(report.full_name, report.columns), report.fingerprint)
        return report
