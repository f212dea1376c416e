"""A check in Python: a function of frames that returns the failing rows.

Belongs here: the decorator `check`, and finding the checks that a module defines. Does not belong here: any check (a project's are in a
module of its own), checks in SQL (`sql_check`), or running them (`defs`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Literal, Union

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.inputs import input_tables
from stori_pipeline.model.names import refuse_bad_name
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    import polars as pl

    Frame = Union[pl.LazyFrame, pl.DataFrame]


@dataclass(frozen=True)
class PythonCheck:
    """A check of the rows of a mirror. The decorator `check` makes one.

    Args:
        table: full name of the table that is checked.
        failing_rows: takes a lazy frame of live rows for each input, and returns the rows that break the rule.
        severity: the severity of a failure.
        inputs: full names of tables by parameter, for parameters whose name does not identify the table.

    Raises:
        DefinitionError: the function's name is not a name, it has no docstring, or the severity is unknown.
    """

    table: str
    failing_rows: Callable[..., Frame]
    severity: Literal["warn", "error"]
    inputs: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        refuse_bad_name(f"check of {self.table}", self.name)
        if self.severity not in ("warn", "error"):
            raise DefinitionError(f'{self}: its severity is {self.severity!r}; write severity="warn" or severity="error"')
        if not self.description:
            raise DefinitionError(f"{self}: its function has no docstring; write what holds when it returns no row")

    def __str__(self) -> str:
        return f"check {self.name} of {self.table}"

    @property
    def name(self) -> str:
        return self.failing_rows.__name__

    @property
    def description(self) -> str:
        """The function's docstring on one line: what is true when it returns no row."""
        return " ".join((inspect.getdoc(self.failing_rows) or "").split())

    def input_tables(self, tables: Mapping[str, Table]) -> dict[str, Table]:
        """The tables that the function reads, by parameter. `tables` are the tables that it may read, by full name.

        Raises:
            DefinitionError: the table does not exist, or a parameter matches no table or several.
        """
        if self.table not in tables:
            raise DefinitionError(f"{self}: there is no table {self.table!r}; a rule about a report is SQL, in sql/checks/reports")
        return input_tables(str(self), self.failing_rows, tables.values(), self.inputs, own=tables[self.table])


def check(
    table: str, *, severity: Literal["warn", "error"] | None = None, inputs: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Frame]], PythonCheck]:
    """Turns a function into a check of the rows of `table` (`bank.transactions`). The check has the function's name.

    The function's parameters are the tables that it reads, source tables or star tables: each gets a lazy frame of the rows in the
    mirror, with the definition's columns, and `super_` as JSON text. It returns the rows that break the rule, with the columns that are
    worth showing. Its docstring says what is true when it returns no row.

    Args:
        severity: the severity of a failure, `warn` or `error`. It must be given.
        inputs: full names by parameter (`{"rates": "rates.daily"}`), for a parameter whose name is not its table's, or is the name of
            tables of several sources.

    Raises:
        DefinitionError: the function has no docstring, or the table or the severity is not given.
    """
    decorated: object = table  # of `@check` without its arguments, the function
    if not isinstance(decorated, str):
        name = getattr(decorated, "__name__", "")
        raise DefinitionError(f'check {name}: it does not say its table; write @check("source.table", severity="warn") above it')

    def define(function: Callable[..., Frame]) -> PythonCheck:
        if severity is None:
            raise DefinitionError(
                f'check {function.__name__} of {table}: it does not say its severity; write severity="warn", or severity="error" if a '
                "failure is an error"
            )
        return PythonCheck(table, function, severity, inputs or {})

    return define


def checks_in(*modules: ModuleType) -> tuple[PythonCheck, ...]:
    """The checks that the modules define, in order."""
    return tuple(each for module in modules for each in vars(module).values() if isinstance(each, PythonCheck))
