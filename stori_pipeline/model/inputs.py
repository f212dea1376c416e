"""Which table each parameter of a function stands for.

Belongs here: finding the table of a parameter, for the functions of star tables and of checks. Does not belong here: reading the rows that
a function is called with (`pipeline`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.table import Table


def input_tables(
    where: str, function: Callable[..., Any], tables: Iterable[Table], named: Mapping[str, str], own: Table | None = None
) -> dict[str, Table]:
    """The table of each parameter, in order.

    A parameter stands for the table that `named` gives it; else for `own`, if that has the parameter's name; else for the one table of
    `tables` that has it.

    Args:
        where: what the function belongs to, for errors: `table star.dim_staff`.
        tables: the tables that the function may read.
        named: full names of tables by parameter.

    Raises:
        DefinitionError: a parameter matches no table or several, or `named` has a table or a parameter that does not exist.
    """
    parameters = list(inspect.signature(function).parameters)
    readable = {table.full_name: table for table in tables}
    if not parameters:
        raise DefinitionError(f"{where}: its function has no parameters; name one for each table that it reads")
    if unused := sorted(set(named) - set(parameters)):
        raise DefinitionError(f"{where}: `inputs` names {unused[0]!r}, which is no parameter of its function ({', '.join(parameters)})")
    return {parameter: _input_table(where, parameter, readable, named, own) for parameter in parameters}


def _input_table(where: str, parameter: str, readable: Mapping[str, Table], named: Mapping[str, str], own: Table | None) -> Table:
    if parameter in named:
        if named[parameter] not in readable:
            raise DefinitionError(f"{where}, input {parameter!r}: there is no table {named[parameter]!r}; {_choice(readable)}")
        return readable[named[parameter]]
    if own is not None and own.name == parameter:
        return own
    candidates = [table for table in readable.values() if table.name == parameter]
    if not candidates:
        raise DefinitionError(
            f"{where}, input {parameter!r}: no table has that name; rename the parameter, or say which table it is: "
            f'inputs={{"{parameter}": "source.table"}}; {_choice(readable)}'
        )
    if len(candidates) > 1:
        names = " and ".join(table.full_name for table in candidates)
        raise DefinitionError(
            f'{where}, input {parameter!r}: {names} have that name; say which: inputs={{"{parameter}": "{candidates[0].full_name}"}}'
        )
    return candidates[0]


def _choice(readable: Mapping[str, Table]) -> str:
    return f"it can be {', '.join(sorted(readable))}"
