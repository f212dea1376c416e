"""A rule in Python: one function of frames that returns the rows in which the rule does not hold.

Belongs here: the decorator `check`, and finding the checks that a module defines. Does not belong here: any rule (the project's are in a
module of its own), rules in SQL (`sql/checks`), or running them (`defs`).
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
    """A rule about the rows of a mirror. Made by `check`.

    Args:
        table: full name of the table that the rule is about.
        failing_rows: takes a lazy frame of live rows for each input, and returns the rows in which the rule does not hold.
        severity: how bad that is.
        inputs: full names of tables by parameter, where the parameter's name does not say which table it is.
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
        """The function's docstring on one line: what holds when it returns no row."""
        return " ".join((inspect.getdoc(self.failing_rows) or "").split())

    def input_tables(self, tables: Mapping[str, Table]) -> dict[str, Table]:
        """The tables that the function reads, by parameter. `tables` are those that it may read, by full name.

        Raises:
            DefinitionError: the table does not exist, or a parameter has no table or could have several.
        """
        if self.table not in tables:
            raise DefinitionError(f"{self}: there is no table {self.table!r}; a rule about a report is SQL, in sql/checks/reports")
        return input_tables(str(self), self.failing_rows, tables.values(), self.inputs, own=tables[self.table])


def check(
    table: str, *, severity: Literal["warn", "error"], inputs: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Frame]], PythonCheck]:
    """Makes a function the check of its name, about the rows of `table` (`bank.transactions`).

    The function's parameters are the tables that it reads, source tables or star tables: each gets a lazy frame of the rows that the
    mirror holds, in the definition's columns, `super_` as JSON text. It returns the rows in which the rule does not hold, with the columns
    that are worth showing. Its docstring says what holds when it returns none.

    Args:
        severity: `warn` or `error`: how bad it is if rows are returned.
        inputs: full names by parameter (`{"rates": "rates.daily"}`), where the parameter has another name than its table, or where
            tables of several sources have that name.

    Raises:
        DefinitionError: the function has no docstring.
    """

    def define(function: Callable[..., Frame]) -> PythonCheck:
        return PythonCheck(table, function, severity, inputs or {})

    return define


def checks_in(*modules: ModuleType) -> tuple[PythonCheck, ...]:
    """The checks that modules define, in order."""
    return tuple(each for module in modules for each in vars(module).values() if isinstance(each, PythonCheck))
