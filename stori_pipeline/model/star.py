"""What a star table is: its record, the function that makes it, and the inputs that the function's parameters name.

Belongs here: the decorator `star`, and the registry that it fills. Does not belong here: any star table (each system's are in a
module of their own), or where rows are read and written.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stori_pipeline.model.changes import Changes, History, Rebuilt
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import boolean, timestamptz

if TYPE_CHECKING:
    import polars as pl

STAR = Source(
    name="star",
    kind="polars",
    description="Star schemas, made from landed tables.",
    owners=("team:analytics",),
)

OBSERVED_AT = Column("_observed_at", timestamptz, nullable=False, description="When the source was first seen to hold this version.")
REMOVED = Column("_removed", boolean, nullable=False, description="Whether this version says that the source no longer has the row.")


@dataclass(frozen=True)
class Star:
    """One star table.

    Args:
        table: its record. A column's `path` says which columns it is made of, as `<input>.<column>` with blanks between several.
        make: the function. It is given a lazy frame for each input and returns one that has the record's columns; others that it may
            have are left out. For a `Rebuilt` table the frames are the inputs' live rows. A `History` has one input: the frame then
            holds versions of its rows, with columns of the pipeline's own which the function passes on, and the version's number,
            `_observed_at` and `_removed` are not the function's business.
        inputs: full names (`totesys.staff`, `star.fact_payment`) by the parameters' names.
        also: other names that the warehouse shall have for the table, as views.
    """

    table: Table
    make: Callable[..., pl.LazyFrame]
    inputs: dict[str, str]
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def made_by(self) -> str:
        """A short hash of the module that `make` is in: what a change to it changes, though the record may stay as it is."""
        return hashlib.sha256(inspect.getsource(sys.modules[self.make.__module__]).encode()).hexdigest()[:16]

    def lineage(self) -> dict[str, list[tuple[str, str]]]:
        """For each column the (input's full name, column) pairs that it is made of; none for what the pipeline adds."""
        return {
            column.name: [(self.inputs[name], of) for name, _, of in (each.partition(".") for each in column.path.split())]
            for column in self.table.columns
        }


STARS: dict[str, Star] = {}
"""Every star table by its name, in an order in which each comes after its inputs."""


def star(
    source: str,
    *columns: Column,
    key: str,
    history: str = "",
    description: str = "",
    sortkey: tuple[str, ...] = (),
    distkey: str = "",
    also: tuple[str, ...] = (),
) -> Callable[[Callable[..., pl.LazyFrame]], Callable[..., pl.LazyFrame]]:
    """Makes a function the star table of its name. Its parameters are its inputs: star tables made before it, or tables of `source`.

    Args:
        key: the column that identifies a row. For a history it is the version's number, which is the first of `columns`.
        history: the column that identifies a row of the input, where every version of it is kept.
    """

    def register(make: Callable[..., pl.LazyFrame]) -> Callable[..., pl.LazyFrame]:
        name = make.__name__
        changes: Changes = History((history,)) if history else Rebuilt()
        inputs = {p: f"star.{p}" if p in STARS else f"{source}.{p}" for p in inspect.signature(make).parameters}
        table = Table(
            source=STAR,
            name=name,
            columns=(*columns, OBSERVED_AT, REMOVED) if history else columns,
            key=(key,),
            changes=changes,
            description=description,
            sortkey=sortkey,
            distkey=distkey,
        )
        if name in STARS:
            raise DefinitionError(f"table star.{name}: there are two functions of that name")
        if history and len(inputs) != 1:
            raise DefinitionError(f"table star.{name}: a history has one input, not {len(inputs)}")
        for column in table.columns:
            if unknown := [each for each in column.path.split() if each.partition(".")[0] not in inputs]:
                raise DefinitionError(
                    f"table star.{name}, column {column.name!r}: {unknown[0]!r} is of none of its inputs {', '.join(inputs)}"
                )
        STARS[name] = Star(table, make, inputs, also)
        return make

    return register
