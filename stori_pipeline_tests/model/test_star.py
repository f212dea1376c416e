"""How star tables are defined: their inputs, the columns taken from an input, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from stori_pipeline.model.changes import History
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import Project
from stori_pipeline.model.source import Source
from stori_pipeline.model.star import OBSERVED_AT, REMOVED, Carried, StarSchema, carried
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import decimal, integer, varchar
from stori_pipeline.readers.postgres import Xmin

SHOP, DEPOT = Source("shop", "postgres", "A shop."), Source("depot", "mongodb", "A depot.")
SALE = Table(
    SHOP,
    "sale",
    (
        Column("sale_id", integer, nullable=False, description="Number of the sale."),
        Column("item_id", integer, description="What was sold."),
        Column("price", decimal(10, 2), nullable=False, description="What it cost."),
    ),
    ("sale_id",),
    Xmin(),
)
ITEMS = tuple(
    Table(source, "item", (Column("item_id", integer, nullable=False), Column(name, varchar(64))), ("item_id",), Xmin())
    for source, name in ((SHOP, "label"), (DEPOT, "shelf"))
)
TABLES = (SALE, *ITEMS)


def unmade(*_: Any) -> Any:
    raise AssertionError("a definition calls no function")


def of(*parameters: str) -> Callable[..., pl.LazyFrame]:
    """A function `dim_sale` with these parameters."""
    names: dict[str, Any] = {"unmade": unmade}
    exec(f"def dim_sale({', '.join(parameters)}): return unmade()", names)  # noqa: S102
    function: Callable[..., pl.LazyFrame] = names["dim_sale"]
    return function


def define(
    schema: StarSchema, *columns: Column | Carried, parameters: tuple[str, ...] = ("sale",), key: str = "sale_id", **more: Any
) -> None:
    schema.star_table(*columns, key=key, **more)(of(*parameters))


def test_a_carried_column_is_that_of_the_input_with_its_lineage() -> None:
    schema = StarSchema(*TABLES)
    define(
        schema,
        carried("sale.sale_id"),
        carried("sale.price", "amount", description="In pounds.", nullable=True),
        carried("goods.label", joined_by="sale.item_id goods.item_id"),
        parameters=("sale", "goods"),
        inputs={"goods": "shop.item"},
    )
    (star,) = schema.stars
    assert star.table.columns == (
        Column("sale_id", integer, nullable=False, path="sale.sale_id", description="Number of the sale."),
        Column("amount", decimal(10, 2), path="sale.price", description="In pounds."),
        Column("label", varchar(64), path="sale.item_id goods.item_id goods.label"),
    )
    assert star.lineage() == {
        "sale_id": [("shop.sale", "sale_id")],
        "amount": [("shop.sale", "price")],
        "label": [("shop.sale", "item_id"), ("shop.item", "item_id"), ("shop.item", "label")],
    }


def test_inputs_are_tables_of_any_source_and_star_tables_of_any_module() -> None:
    first = StarSchema(*TABLES)
    define(first, carried("sale.sale_id"))
    second = StarSchema(*ITEMS, *first.tables)

    @second.star_table(
        carried("dim_sale.sale_id"),
        carried("stock.shelf", joined_by="dim_sale.sale_id stock.item_id"),
        key="sale_id",
        inputs={"stock": "depot.item"},
    )
    def dim_stock(dim_sale: pl.LazyFrame, stock: pl.LazyFrame) -> pl.LazyFrame:
        return unmade(dim_sale, stock)  # type: ignore[no-any-return]

    (star,) = second.stars
    assert star.inputs == {"dim_sale": "star.dim_sale", "stock": "depot.item"}
    assert star.make is dim_stock
    assert [table.full_name for table in Project(TABLES, (*first.stars, *second.stars)).mirrors.values()][-2:] == [
        "star.dim_sale",
        "star.dim_stock",
    ]
    with pytest.raises(DefinitionError, match=r"star\.dim_stock, input 'dim_sale': star\.dim_sale is no source table .* before this one"):
        Project(TABLES, (*second.stars, *first.stars))
    with pytest.raises(DefinitionError, match=r"table star\.dim_sale: two functions have that name"):
        Project(TABLES, (*first.stars, *first.stars))


def test_a_history_has_the_pipelines_own_columns() -> None:
    schema = StarSchema(SALE)
    define(schema, Column("version", integer, nullable=False), carried("sale.sale_id"), key="version", history="sale_id")
    (star,) = schema.stars
    assert star.table.columns[2:] == (OBSERVED_AT, REMOVED)
    assert star.table.changes == History(("sale_id",))


_VERSION = Column("version", integer, nullable=False)


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ([carried("sale.cost")], {}, r"column 'cost': shop\.sale has no column 'cost'; it has sale_id, item_id, price"),
        ([carried("sales.price")], {}, r"column 'price': 'sales\.price' names no input; .* with one of sale"),
        ([Column("price", integer, path="sale.cost")], {}, r"column 'price': shop\.sale has no column 'cost'"),
        ([carried("sale.price", joined_by="sale.nothing")], {}, r"column 'price': shop\.sale has no column 'nothing'"),
        ([], {"parameters": ("item",)}, r"""input 'item': shop\.item and depot\.item have .*: inputs=\{"item": "shop\.item"\}"""),
        ([], {"parameters": ("goods",)}, r"input 'goods': no table has that name; .* depot\.item, shop\.item, shop\.sale"),
        ([], {"inputs": {"sale": "shop.sales"}}, r"input 'sale': there is no table 'shop\.sales'; it can be depot\.item"),
        ([], {"inputs": {"item": "shop.item"}}, r"`inputs` names 'item', which is no parameter of its function \(sale\)"),
        ([], {"parameters": ()}, r"its function has no parameters"),
        (
            [_VERSION, carried("item.label")],
            {"parameters": ("sale", "item"), "inputs": {"item": "shop.item"}, "key": "version", "history": "sale_id"},
            r"a history has one input, and its function has 2 parameters",
        ),
        (
            [_VERSION, carried("sale.item_id")],
            {"key": "version", "history": "item_id"},
            r"column 'item_id': a history identifies rows by its input's key \(sale_id\).*'sale\.item_id'",
        ),
    ],
)
def test_an_invalid_star_table_is_refused_by_its_decorator(columns: list[Column | Carried], more: dict[str, Any], message: str) -> None:
    schema = StarSchema(*TABLES)
    with pytest.raises(DefinitionError, match=rf"table star\.dim_sale.*{message}"):
        define(schema, carried("sale.sale_id"), *columns, **more)
    assert schema.stars == ()


def test_two_functions_of_one_name_are_refused() -> None:
    schema = StarSchema(*TABLES)
    define(schema, carried("sale.sale_id"))
    with pytest.raises(DefinitionError, match=r"table star\.dim_sale: two functions have that name"):
        define(schema, carried("sale.sale_id"))


@pytest.mark.parametrize("lag", ["5 s", timedelta(0)])
def test_a_star_table_refuses_a_target_lag_that_is_no_time_above_zero(lag: Any) -> None:
    with pytest.raises(DefinitionError, match=r"table star.dim_sale: target_lag is a timedelta above zero"):
        define(StarSchema(*TABLES), Column("sale_id", integer, nullable=False, path="sale.sale_id"), target_lag=lag)
