"""The definition of a table: what follows from it, and which definitions are refused."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from stori_pipeline import model
from stori_pipeline.model.changes import Cursor
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, decimal, double, integer, super_, timestamptz, varchar
from stori_pipeline.readers.mongo import ChangeStream
from stori_pipeline.readers.postgres import Snapshot, Xmin

SOURCE = Source("shop", "postgres", "A shop.")
COLUMNS = (
    Column("no", bigint, nullable=False),
    Column("price", decimal(18, 2)),
    Column("ratio", double),
    Column("doc", super_),
    Column("at", timestamptz, path="time.at"),
    Column("maybe", varchar(8)),
)
ORDERS = Table(SOURCE, "orders", COLUMNS, ("no",), Xmin())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": ()}, "table shop.orders: it has no columns"),
        ({"key": ()}, "table shop.orders: it has no key"),
        ({"name": "Orders"}, "'Orders' is not a name"),
        ({"name": "2orders"}, "'2orders' is not a name"),
        ({"name": "or ders"}, "'or ders' is not a name"),
        ({"name": 'or"ders'}, "is not a name"),
        ({"name": ""}, "'' is not a name"),
        ({"name": "o" * 64}, "is not a name"),
        ({"columns": (*COLUMNS, Column("Bad", bigint))}, "table shop.orders, column 'Bad'"),
        ({"columns": (*COLUMNS, Column("_deleted", bigint))}, "table shop.orders, column '_deleted'"),
        ({"columns": (*COLUMNS, COLUMNS[1], COLUMNS[2])}, "price, ratio is declared more than once"),
        ({"key": "no"}, "its key is a text and not a tuple of names; write key=('no',), with a comma"),
        ({"columns": (Column("no", bigint, nullable=False), Column("v", decimal))}, "column 'v': <function decimal"),  # type: ignore[arg-type]
        ({"key": ("nothing",)}, "its key names 'nothing', which is not one of its columns"),
        ({"key": ("maybe",)}, "column 'maybe': a key column must be declared nullable=False"),
        ({"columns": (Column("no", double, nullable=False),)}, "column 'no': a double column cannot be a key"),
        ({"columns": (Column("no", super_, nullable=False),)}, "column 'no': a super column cannot be a key"),
        ({"sortkey": ("doc",)}, "column 'doc': a super column cannot be a sortkey"),
        ({"sortkey": ("no", "nothing")}, "its sortkey names 'nothing'"),
        ({"distkey": "ratio"}, "column 'ratio': a double column cannot be a distkey"),
        ({"distkey": "nothing"}, "its distkey names 'nothing'"),
        ({"cursor": "nothing"}, "its cursor names 'nothing'"),
        ({"cursor": "no"}, "column 'no': the cursor must be a date or a timestamptz"),
        ({"changes": Cursor("nothing")}, "its Cursor names 'nothing'"),
        ({"keep_deleted": True, "changes": Snapshot()}, "keep_deleted=True cannot mark what Snapshot() does not find"),
        ({"columns": (*ORDERS.columns, Column("ctid", integer))}, "the pipeline or Redshift uses that name"),
        ({"max_rejected": 1.5}, "max_rejected is a share between 0 and 1, not 1.5"),
        ({"max_rejected": -0.1}, "max_rejected is a share"),
        ({"max_rejected_rows": -1}, "max_rejected_rows is a number of rows, 0 or more, not -1"),
        ({"max_rejected_rows": 0.5}, "max_rejected_rows is a number of rows, 0 or more, not 0.5"),
        ({"target_lag": "5 s"}, "target_lag is a timedelta above zero, such as timedelta(seconds=30), not '5 s'"),
        ({"target_lag": timedelta(0)}, "target_lag is a timedelta above zero, such as timedelta(seconds=30), not datetime.timedelta(0)"),
        ({"target_lag": -timedelta(seconds=1)}, "target_lag is a timedelta above zero"),
        ({"target_lag": 0}, "target_lag is a timedelta above zero, such as timedelta(seconds=30), not 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(value),
)
def test_an_invalid_definition_names_the_table_and_the_column(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(message)) as raised:
        replace(ORDERS, **change)
    assert str(raised.value).startswith("table shop.")


@pytest.mark.parametrize("lag", ["5 s", "5s", 5, 0, timedelta(0), -timedelta(seconds=1)])
def test_a_source_refuses_a_target_lag_that_is_no_time_above_zero(lag: Any) -> None:
    """Regression: a text was accepted, and the continuous sync crashed; zero silently meant the default."""
    with pytest.raises(DefinitionError, match=r"source shop: target_lag is a timedelta above zero, such as timedelta\(seconds=30\), not "):
        replace(SOURCE, target_lag=lag)


@pytest.mark.parametrize("name", ["Shop", "", "1shop", "shop.eu", "s" * 64])
def test_a_source_refuses_an_invalid_name(name: str) -> None:
    with pytest.raises(DefinitionError, match="is not a name"):
        Source(name, "postgres", "A shop.")


@pytest.mark.parametrize(("precision", "scale"), [(0, 0), (39, 0), (38, 38), (5, 6), (5, -1)])
def test_a_decimal_that_redshift_does_not_have_is_refused(precision: int, scale: int) -> None:
    with pytest.raises(DefinitionError, match=re.escape(f"decimal({precision},{scale})")):
        decimal(precision, scale)


@pytest.mark.parametrize("length", [0, -1, 65_536])
def test_a_varchar_that_redshift_does_not_have_is_refused(length: int) -> None:
    with pytest.raises(DefinitionError, match=re.escape(f"varchar({length})")):
        varchar(length)


@pytest.mark.parametrize(
    ("kind", "name", "arrow", "redshift", "stage"),
    [
        (model.bigint, "bigint", pa.int64(), "BIGINT", "BIGINT"),
        (model.integer, "integer", pa.int32(), "INTEGER", "INTEGER"),
        (model.smallint, "smallint", pa.int16(), "SMALLINT", "SMALLINT"),
        (model.boolean, "boolean", pa.bool_(), "BOOLEAN", "BOOLEAN"),
        (model.date, "date", pa.date32(), "DATE", "DATE"),
        (model.timestamptz, "timestamptz", pa.timestamp("us", tz="UTC"), "TIMESTAMPTZ", "TIMESTAMPTZ"),
        (model.double, "double", pa.float64(), "DOUBLE PRECISION", "DOUBLE PRECISION"),
        (model.super_, "super", pa.binary(), "SUPER", "VARBYTE(16777216)"),
        (model.decimal(18, 2), "decimal(18,2)", pa.decimal128(18, 2), "DECIMAL(18,2)", "DECIMAL(18,2)"),
        (model.varchar(65_535), "varchar(65535)", pa.string(), "VARCHAR(65535)", "VARCHAR(65535)"),
    ],
    ids=str,
)
def test_a_type_is_one_in_every_place(kind: model.Type, name: str, arrow: pa.DataType, redshift: str, stage: str) -> None:
    assert (str(kind), kind.arrow, kind.redshift, kind.stage) == (name, arrow, redshift, stage)


def test_a_table_has_the_same_name_everywhere() -> None:
    assert (ORDERS.full_name, ORDERS.prefix) == ("shop.orders", "shop/orders")
    assert ORDERS["at"].source_path == "time.at"
    assert ORDERS["no"].source_path == "no"


def test_schemas_follow_from_the_columns_in_their_order() -> None:
    names = [column.name for column in COLUMNS]
    assert ORDERS.schema.names == names
    assert [field.nullable for field in ORDERS.schema] == [False, True, True, True, True, True]
    assert ORDERS.read_schema.names == [*names, "_deleted"]
    assert ORDERS.landed_schema.names == [*names, "_batch", "_seq", "_deleted"]
    assert [field.type for field in ORDERS.landed_schema] == [*(c.type.arrow for c in COLUMNS), pa.int64(), pa.int64(), pa.bool_()]


def test_only_the_key_of_a_deleted_row_must_not_be_null() -> None:
    table = replace(ORDERS, columns=tuple(replace(column, nullable=False) for column in COLUMNS))
    for schema in (table.read_schema, table.landed_schema):
        required = {field.name for field in schema if not field.nullable} - {"_batch", "_seq", "_deleted"}
        assert required == {"no"}
    assert not any(field.nullable for field in table.schema)


@pytest.mark.parametrize(
    "change",
    [
        {"columns": COLUMNS[:-1]},
        {"columns": (COLUMNS[0], *COLUMNS[:0:-1])},
        {"columns": (*COLUMNS[:-1], Column("maybe", varchar(16)))},
        {"columns": (*COLUMNS[:-1], Column("maybe", varchar(8), nullable=False))},
        {"columns": (*COLUMNS[:-1], Column("maybe", varchar(8), path="elsewhere"))},
        {"columns": (*COLUMNS[:-1], Column("perhaps", varchar(8), path="maybe"))},
        {"unnest": "data"},
        {"keep_deleted": True},
        {"source_name": "Orders"},
    ],
    ids=str,
)
def test_a_change_of_what_lands_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert replace(ORDERS, **change).fingerprint != ORDERS.fingerprint


def test_a_change_of_anything_else_keeps_the_fingerprint() -> None:
    described = tuple(replace(column, description="said anew") for column in COLUMNS)
    same = replace(
        ORDERS, columns=described, description="x", changes=ChangeStream(), cursor="at", max_rejected=0.5, sortkey=("at",), distkey="no"
    )
    assert same.fingerprint == ORDERS.fingerprint
    assert re.fullmatch(r"[0-9a-f]{16}", ORDERS.fingerprint)


@pytest.mark.parametrize("name", ["pipeline", "public", "pg_catalog", "pg_temp", "star", "information_schema"])
def test_a_source_with_the_name_of_a_schema_of_ours_or_of_redshift_is_refused(name: str) -> None:
    """Regression: a table `pipeline.loads` would have dropped the ledger."""
    with pytest.raises(DefinitionError, match=f"source: '{name}' is a name of the platform or of Redshift itself; choose another name"):
        Source(name=name, kind="postgres", description="A source.")


@pytest.mark.parametrize(
    ("limits", "rows", "rejected", "blocked"),
    [
        ({}, 2, 1, False),  # one bad row of three does not yet mean a broken source
        ({}, 0, 1, False),
        ({}, 1, 2, True),
        ({}, 0, 30, True),
        ({}, 198, 2, False),
        ({}, 197, 2, True),
        ({"max_rejected_rows": 0}, 2, 1, True),
        ({"max_rejected_rows": 20, "max_rejected": 0.5}, 0, 20, False),
        ({"max_rejected_rows": 20, "max_rejected": 0.5}, 0, 500, True),
        ({"max_rejected": 1.0}, 0, 500, False),
        ({}, 0, 0, False),
    ],
)
def test_a_small_batch_is_judged_by_its_own_share(limits: dict[str, Any], rows: int, rejected: int, blocked: bool) -> None:
    assert replace(ORDERS, **limits).blocks(rows, rejected) is blocked
