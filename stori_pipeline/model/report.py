"""What a report is: one SQL file. Its inputs, its column lineage and its place in the order follow from the SQL.

Belongs here: the definition of a report, and loading reports from their folder. Does not belong here: parsing SQL (`sql_lineage`),
creating a report in the warehouse (`warehouse.reports`), or any report (`sql/reports/*.sql`).
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
from stori_pipeline.model.sql_files import sql_text
from stori_pipeline.model.sql_lineage import Relation, UnsupportedSql, follow, parse, table_names
from stori_pipeline.model.star import REMOVED, Star
from stori_pipeline.model.table import Table

SCHEMA = "reports"
"""The schema of the warehouse that holds the reports."""


@dataclass(frozen=True)
class Report:
    """One report.

    Args:
        name: the file's name without `.sql`.
        description: the header's text, with blank lines between paragraphs.
        materialized: whether it is a view or a table.
        statement: the SELECT.
        reads: full names of what it reads: `totesys.staff`, `star.dim_staff`, `reports.other`. A view of a star table counts as the table.
        columns: names of the columns, in order.
        lineage: for each column, the (full name, column) pairs that it is computed from.
        inputs: a hash of the definition of each name in `reads`; the report's fingerprint changes with them.
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
        """`reports.sales_by_month`: the name in commands and messages, and the `schema.table` in the warehouse."""
        return f"{SCHEMA}.{self.name}"

    @property
    def fingerprint(self) -> str:
        """A short hash of everything that determines which columns the report has and what they hold."""
        return _hash(self.materialized, self.statement, *self.columns, *self.inputs)

    def version(self, loaded: Mapping[str, tuple[int, int] | None]) -> str:
        """A short hash of everything that decides which rows the report has.

        Args:
            loaded: the (generation, batch) of each table that it depends on; None if nothing is loaded.
        """
        return _hash(self.fingerprint, *(f"{name} {order}" for name, order in loaded.items()))

    @property
    def statement_hash(self) -> str:
        """A short hash of the statement alone; the inputs do not change it."""
        return _hash(self.statement)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def load_reports(folder: Path, tables: Sequence[Table], stars: Mapping[str, Star]) -> list[Report]:
    """The reports of a folder and its subfolders, each after the reports that it reads.

    A file has a header of comment lines that say what the report shows, then one SELECT. If the header has the line
    `-- materialized: table`, the report is a table, otherwise a view.

    Args:
        tables: the definitions of the source tables.
        stars: the star tables by name.

    Raises:
        DefinitionError: a file is invalid. The message names it, and says what is wrong and what to do.
    """
    files = _files(folder)
    trees = {name: _naming(file, parse, text) for name, (file, text) in files.items()}
    return _Loading(files, trees, _readable(tables, stars)).reports()


def tables_of(sql: str, tables: Iterable[Table]) -> set[str]:
    """Full names of the tables and reports that a SELECT reads. A view over one of `tables` counts as the table.

    Raises:
        DefinitionError: `sql` is not one SELECT.
    """
    views = _views(tables)
    try:
        return {views[name].full_name if name in views else name for name in table_names(parse(sql))}
    except UnsupportedSql as error:
        raise DefinitionError(str(error)) from error


def dependents(report: Report, reports: Sequence[Report]) -> list[Report]:
    """The reports of `reports` that read `report`, directly or through others, each after the reports that it reads."""
    reached = {report.full_name}
    readers = []
    for other in reports:
        if reached & set(other.reads):
            reached.add(other.full_name)
            readers.append(other)
    return readers


def _views(tables: Iterable[Table]) -> dict[str, Table]:
    """The views that `warehouse.dialect.create_views` creates: the table by the view's full name."""
    return {view: table for table in tables for view in table.views}


@dataclass(frozen=True)
class _Readable:
    """What a name in SQL stands for, and the hash of its definition."""

    relation: Relation
    fingerprint: str


def _readable(tables: Iterable[Table], stars: Mapping[str, Star]) -> dict[str, _Readable]:
    """The mirrors, and the views over them, by full name."""
    readable = {}
    mirrors = (*tables, *(each.table for each in stars.values()))
    for table in mirrors:
        readable[table.full_name] = _Readable(Relation(table.full_name, table.mirror_names), table.fingerprint)
    for view, table in _views(mirrors).items():
        readable[view] = readable[table.full_name]
        if isinstance(table.changes, History) and view == f"{table.full_name}_current":
            columns = tuple(column.name for column in table.columns if column.name != REMOVED.name)
            readable[view] = _Readable(Relation(table.full_name, columns), table.fingerprint)
    return readable


def _files(folder: Path) -> dict[str, tuple[str, str]]:
    """For each report, the path of its file (for errors) and the file's text."""
    files: dict[str, tuple[str, str]] = {}
    for file in sorted(folder.rglob("*.sql")):
        path = f"sql/reports/{file.relative_to(folder).as_posix()}"
        if not NAME.fullmatch(file.stem):
            raise DefinitionError(
                f"{path}: {file.stem!r} is not a name of lower-case letters, digits and underscores that starts with a letter"
            )
        if file.stem in files:
            raise DefinitionError(f"{path}: there is a report of that name in {files[file.stem][0]} too; rename one of the files")
        files[file.stem] = (path, sql_text(file, path))
    return files


def _naming(file: str, step: Any, *arguments: Any) -> Any:
    """The result of a step. If the step fails, the error names the file."""
    try:
        return step(*arguments)
    except UnsupportedSql as error:
        raise DefinitionError(f"{file}: {error}") from error


def _heading(file: str, text: str) -> tuple[str, Literal["view", "table"], str]:
    """The description, the materialization and the statement in a file's text."""
    heading = re.match(r"(?:--[^\n]*\n)*", text)
    end = heading.end() if heading else 0
    materialized, paragraphs = [], [""]
    for line in (line.removeprefix("--").strip() for line in text[:end].splitlines()):
        if line.startswith("materialized:"):
            materialized.append(line.partition(":")[2].strip())
        elif line:
            paragraphs[-1] = f"{paragraphs[-1]} {line}".strip()
        else:
            paragraphs.append("")
    description = "\n\n".join(filter(None, paragraphs))
    if not description:
        raise DefinitionError(f"{file}: its first lines must be comments that say what the report shows")
    if materialized not in ([], ["view"], ["table"]):
        raise DefinitionError(f"{file}: its header may say `-- materialized: view` or `-- materialized: table`, once")
    return description, "table" if materialized == ["table"] else "view", text[end:].strip().rstrip("; \n")


class _Loading:
    """Loads the reports of one folder. A report comes after the reports that it reads, because its columns may come from them."""

    def __init__(self, files: Mapping[str, tuple[str, str]], trees: Mapping[str, Any], readable: dict[str, _Readable]) -> None:
        self._files = files
        self._trees = trees
        self._readable = readable

    def reports(self) -> list[Report]:
        from graphlib import CycleError, TopologicalSorter

        reads = {name: table_names(tree) for name, tree in self._trees.items()}
        own = {f"{SCHEMA}.{name}": name for name in self._files}
        order = TopologicalSorter({name: [own[each] for each in names if each in own] for name, names in reads.items()})
        try:
            return [self._report(name, reads[name]) for name in order.static_order()]
        except CycleError as error:
            circle = " reads ".join(reversed(error.args[1]))
            raise DefinitionError(f"sql/reports: reports read each other in a circle: {circle}; break it in one of these files") from error

    def _report(self, name: str, reads: Sequence[str]) -> Report:
        file, text = self._files[name]
        description, materialized, statement = _heading(file, text)
        for each in reads:
            if each not in self._readable:
                hint = "correct the name, or add what is missing" if "." in each else "write it with its schema"
                raise DefinitionError(f"{file}: it reads {each!r}, which is no source table, no star table and no report; {hint}")
        readable = {each: self._readable[each] for each in reads}
        select = _naming(file, follow, self._trees[name], {each: source.relation for each, source in readable.items()})
        report = Report(
            name=name,
            description=description,
            materialized=materialized,
            statement=statement,
            reads=tuple(sorted({source.relation.full_name for source in readable.values()})),
            columns=select.columns,
            lineage=select.lineage,
            inputs=tuple(source.fingerprint for source in readable.values()),
        )
        self._readable[report.full_name] = _Readable(Relation(report.full_name, report.columns), report.fingerprint)
        return report
