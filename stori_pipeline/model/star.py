"""What a star table is: its definition, the function that computes its rows, and the inputs that the function's parameters name.

Belongs here: `StarSchema`, with which a module defines star tables, and `carried`, for columns taken from an input. Does not belong here:
any star table (a project's are in a package of its own), or reading and writing rows (`pipeline.derive`).
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from stori_pipeline.model.changes import Changes, History, Rebuilt
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.inputs import input_tables
from stori_pipeline.model.source import DERIVED, Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import boolean, timestamptz

if TYPE_CHECKING:
    import polars as pl

STAR = Source(
    name="star",
    kind=DERIVED,
    description="Star schemas, made from landed tables.",
    owners=("team:analytics",),
)

OBSERVED_AT = Column("_observed_at", timestamptz, nullable=False, description="When the source was first seen to hold this version.")
REMOVED = Column("_removed", boolean, nullable=False, description="Whether this version says that the source no longer has the row.")


@dataclass(frozen=True)
class Star:
    """One star table.

    Args:
        table: its definition. A column's `path` names the columns that it is computed from, as `<parameter>.<column>`, separated by
            blanks.
        make: the function. It takes a lazy frame for each input and returns one that has the definition's columns; other columns are
            dropped. For a `Rebuilt` table the frames are the inputs' live rows. A `History` has one input: its frame holds versions of
            rows, with columns of the pipeline's own, which the function passes on; it does not compute the version's number,
            `_observed_at` and `_removed`.
        inputs: full names (`totesys.staff`, `star.fact_payment`) by parameter.
    """

    table: Table
    make: Callable[..., pl.LazyFrame]
    inputs: dict[str, str]

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def code_hash(self) -> str:
        """A short hash of the function's module: it changes with the code, even if the definition does not."""
        return hashlib.sha256(inspect.getsource(sys.modules[self.make.__module__]).encode()).hexdigest()[:16]

    def lineage(self) -> dict[str, list[tuple[str, str]]]:
        """For each column, the (full name of the input, column) pairs that it is computed from; none for columns that the pipeline adds."""
        return {column.name: [(self.inputs[parameter], name) for parameter, name in _sources(column)] for column in self.table.columns}


def _sources(column: Column) -> list[tuple[str, str]]:
    """The (parameter, column) pairs that a column's path names."""
    pairs = [path.partition(".") for path in column.path.split()]
    return [(parameter, name) for parameter, _, name in pairs]


@dataclass(frozen=True)
class Carried:
    """A column that the star table takes unchanged from an input. `carried` makes one."""

    path: str
    name: str
    description: str
    nullable: bool | None
    joined_by: str

    def column(self, table: str, inputs: Mapping[str, Table]) -> Column:
        """The column of the star table. Raises DefinitionError if no input has it."""
        original = _input_column(f"table {table}, column {self.name!r}", self.path, inputs)
        return Column(
            self.name,
            original.type,
            nullable=original.nullable if self.nullable is None else self.nullable,
            path=f"{self.joined_by} {self.path}".strip(),
            description=self.description or original.description,
        )


def carried(path: str, name: str = "", *, description: str = "", nullable: bool | None = None, joined_by: str = "") -> Carried:
    """A column that the star table takes unchanged from an input, with its type, nullability, description and lineage.

    Args:
        path: `<parameter>.<column>`.
        name: the column's name in the star table; by default its name in the input.
        description: given if it differs from the input's.
        nullable: given if it differs from the input's.
        joined_by: the columns that the join used to find the row, as `<parameter>.<column>` separated by blanks; they belong to the
            lineage.
    """
    return Carried(path, name or path.rpartition(".")[2], description, nullable, joined_by)


def _input_column(where: str, path: str, inputs: Mapping[str, Table]) -> Column:
    """The column of an input that `<parameter>.<column>` names."""
    parameter, _, name = path.partition(".")
    if parameter not in inputs:
        raise DefinitionError(f"{where}: {path!r} names no input; write `<parameter>.<column>`, with one of {', '.join(inputs)}")
    table = inputs[parameter]
    if name not in (column.name for column in table.columns):
        raise DefinitionError(
            f"{where}: {table.full_name} has no column {name!r}; it has {', '.join(column.name for column in table.columns)}"
        )
    return table[name]


def refuse_unidentified_versions(table: Table, source: Table) -> None:
    """Refuses a history whose identifying columns are not the input's key: a deleted row has its key and nothing else.

    Raises:
        DefinitionError: a column that identifies rows is computed from a column outside the input's key.
    """
    assert isinstance(table.changes, History)  # noqa: S101  (for the type checker: only histories come here)
    for name in table.changes.of:
        if not {column for _, column in _sources(table[name])} <= set(source.key):
            raise DefinitionError(
                f"table {table.full_name}, column {name!r}: a history identifies rows by its input's key ({', '.join(source.key)}), and "
                f"this column is computed from {table[name].path!r}"
            )


class StarSchema:
    """Star tables, and the tables of any source that their functions may read.

    A module that defines star tables makes one. To read star tables of another module, pass them: `StarSchema(*TABLES, *other.tables)`.
    """

    def __init__(self, *tables: Table) -> None:
        self._readable = {table.full_name: table for table in tables}
        self._stars: dict[str, Star] = {}

    @property
    def stars(self) -> tuple[Star, ...]:
        """The star tables, each after its inputs."""
        return tuple(self._stars.values())

    @property
    def tables(self) -> tuple[Table, ...]:
        """The definitions of the star tables, in the same order."""
        return tuple(star.table for star in self.stars)

    def star_table(
        self,
        *columns: Column | Carried,
        key: str,
        history: str = "",
        description: str = "",
        sortkey: tuple[str, ...] = (),
        distkey: str = "",
        aliases: tuple[str, ...] = (),
        inputs: Mapping[str, str] | None = None,
        max_rejected: float = 0.01,
        max_rejected_rows: int = 1,
        target_lag: timedelta | None = None,
    ) -> Callable[[Callable[..., pl.LazyFrame]], Callable[..., pl.LazyFrame]]:
        """Turns a function into the star table of its name. The function's parameters are its inputs, named after their tables.

        Args:
            columns: the columns that the function computes (`Column`, whose `path` is its lineage) or takes from an input (`carried`).
            key: the column that identifies a row. In a history it is the version's number, the first of `columns`.
            history: the column that identifies a row of the input, if the table keeps every version of it.
            inputs: full names by parameter (`{"rates": "rates.daily"}`), for a parameter whose name is not its table's, or is the name
                of tables of several sources.
            max_rejected, max_rejected_rows: how many of a batch's rows may go to quarantine; see `Table`.
            target_lag: how late the table may be; by default as late as its inputs.

        Raises:
            DefinitionError: the definition is invalid; the message names the table, and the column or the input.
        """

        def define(make: Callable[..., pl.LazyFrame]) -> Callable[..., pl.LazyFrame]:
            full_name = f"{STAR.name}.{make.__name__}"
            if full_name in self._readable:
                raise DefinitionError(f"table {full_name}: two functions have that name; rename one")
            read = input_tables(f"table {full_name}", make, self._readable.values(), inputs or {})
            own = (each.column(full_name, read) if isinstance(each, Carried) else each for each in columns)
            changes: Changes = History((history,)) if history else Rebuilt()
            table = Table(
                source=STAR,
                name=make.__name__,
                columns=(*own, OBSERVED_AT, REMOVED) if history else tuple(own),
                key=(key,),
                changes=changes,
                description=description,
                sortkey=sortkey,
                distkey=distkey,
                aliases=aliases,
                max_rejected=max_rejected,
                max_rejected_rows=max_rejected_rows,
                target_lag=target_lag,
            )
            _refuse_bad_lineage(table, read)
            self._readable[full_name] = table
            self._stars[full_name] = Star(table, make, {parameter: each.full_name for parameter, each in read.items()})
            return make

        return define


def _refuse_bad_lineage(table: Table, inputs: Mapping[str, Table]) -> None:
    for column in table.columns:
        for path in column.path.split():
            _input_column(f"table {table.full_name}, column {column.name!r}", path, inputs)
    if isinstance(table.changes, History):
        if len(inputs) != 1:
            raise DefinitionError(f"table {table.full_name}: a history has one input, and its function has {len(inputs)} parameters")
        (source,) = inputs.values()
        refuse_unidentified_versions(table, source)
