"""How checks in Python are defined, and what is refused."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import polars as pl
import pytest

from stori_pipeline.model.check import PythonCheck, check, checks_in
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import Project
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer
from stori_pipeline.readers.postgres import Xmin

SHOP, DEPOT = Source("shop", "postgres", "A shop."), Source("depot", "postgres", "A depot.")
_ID = (Column("id", integer, nullable=False),)
TABLES = tuple(Table(source, name, _ID, ("id",), Xmin()) for source, name in ((SHOP, "item"), (DEPOT, "item"), (DEPOT, "shelf")))


@check("depot.item", severity="warn", inputs={"sold": "shop.item"})
def on_a_shelf(item: pl.LazyFrame, shelf: pl.LazyFrame, sold: pl.LazyFrame) -> pl.LazyFrame:
    """Every item is on a shelf,
    or sold.
    """
    return item.join(pl.concat([shelf, sold]), on="id", how="anti")


def test_a_check_is_a_function_with_its_name_and_docstring() -> None:
    assert (on_a_shelf.name, on_a_shelf.table, on_a_shelf.severity) == ("on_a_shelf", "depot.item", "warn")
    assert on_a_shelf.description == "Every item is on a shelf, or sold."
    frames = [pl.LazyFrame({"id": ids}) for ids in ([1, 2, 3], [1], [3])]
    assert on_a_shelf.failing_rows(*frames).lazy().collect()["id"].to_list() == [2]


def test_its_inputs_are_its_own_table_first_and_then_the_one_of_that_name() -> None:
    inputs = on_a_shelf.input_tables(Project(TABLES, python_checks=(on_a_shelf,)).mirrors)
    assert {name: table.full_name for name, table in inputs.items()} == {
        "item": "depot.item",
        "shelf": "depot.shelf",
        "sold": "shop.item",
    }


def test_a_modules_checks_are_found_in_order() -> None:
    module = ModuleType("rules")
    vars(module).update(b=on_a_shelf, number=1, a=PythonCheck("shop.item", on_a_shelf.failing_rows, "error"))
    assert [each.table for each in checks_in(module)] == ["depot.item", "shop.item"]


def documented(item: Any) -> Any:
    """Something holds."""
    return item


@pytest.mark.parametrize(
    ("table", "function", "inputs", "message"),
    [
        ("shop.items", documented, {}, r"there is no table 'shop\.items'; a rule about a report is SQL, in sql/checks/reports"),
        ("depot.shelf", documented, {}, r"input 'item': shop\.item and depot\.item have that name"),
        ("depot.shelf", documented, {"item": "depot.items"}, r"input 'item': there is no table 'depot\.items'"),
    ],
)
def test_a_project_refuses_a_check_of_what_it_does_not_have(table: str, function: Any, inputs: dict[str, str], message: str) -> None:
    wrong = check(table, severity="error", inputs=inputs)(function)
    with pytest.raises(DefinitionError, match=rf"check documented of {table}.*{message}"):
        Project(TABLES, python_checks=(wrong,))


def test_a_check_without_docstring_or_severity_is_refused() -> None:
    def bare(item: Any) -> Any:
        return item

    with pytest.raises(DefinitionError, match=r"check bare of shop\.item: its function has no docstring"):
        check("shop.item", severity="warn")(bare)
    with pytest.raises(DefinitionError, match=r'check documented of shop\.item: it does not say its severity; write severity="warn"'):
        check("shop.item")(documented)
    with pytest.raises(DefinitionError, match=r'check documented: it does not say its table; write @check\("source\.table"'):
        check(documented)  # type: ignore[arg-type]  # that is the case
    with pytest.raises(DefinitionError, match=r"check documented of shop\.item: its severity is 'fatal'"):
        check("shop.item", severity="fatal")(documented)  # type: ignore[arg-type]  # that is the case
