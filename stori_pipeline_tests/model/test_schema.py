"""A definition against the schema with which rows landed: which changes keep the generation, and which of two types is wider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.schema import Schema, SchemaChange, carried, change
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, date, decimal, integer, smallint, super_, varchar
from stori_pipeline.model.types.type import Type
from stori_pipeline.model.types.widths import holds
from stori_pipeline.readers.postgres import Snapshot, Xmin

TABLE = Table(
    Source("shop", "postgres", "A shop."),
    "items",
    (Column("id", integer, nullable=False), Column("name", varchar(40), path="label"), Column("price", decimal(10, 2))),
    ("id",),
    Xmin(),
)
OLD = Schema.of(TABLE)
ROWS = replace(TABLE, columns=(Column("id", varchar(64), nullable=False, path="$row"), *TABLE.columns[1:]))


def _changed(table: Table, old: Table = TABLE) -> SchemaChange:
    found = change(Schema.from_json(Schema.of(old).to_json()), old.fingerprint, table)
    assert found is not None
    return found


def _with(column: str, table: Table = TABLE, **values: object) -> Table:
    return replace(table, columns=tuple(replace(c, **values) if c.name == column else c for c in table.columns))  # type: ignore[arg-type]


def test_an_unchanged_definition_has_no_change() -> None:
    assert change(OLD, TABLE.fingerprint, TABLE) is None


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (replace(TABLE, columns=(*TABLE.columns, Column("day", date))), SchemaChange(added=("day",))),
        (replace(TABLE, columns=TABLE.columns[:2]), SchemaChange(removed=("price",))),
        (_with("name", name="title"), SchemaChange(renamed=(("title", "name"),))),
        (_with("name", path="caption"), SchemaChange(added=("name",), removed=("name",))),
        (_with("price", type=decimal(12, 2)), SchemaChange(retyped=(("price", "decimal(10,2)", "decimal(12,2)"),))),
        (_with("id", type=bigint), SchemaChange(retyped=(("id", "integer", "bigint"),))),
        (_with("price", dropped=True), SchemaChange(dropped=("price",))),
        (replace(TABLE, columns=tuple(reversed(TABLE.columns))), SchemaChange(reordered=True)),
    ],
)
def test_a_change_that_keeps_the_generation_is_named(table: Table, expected: SchemaChange) -> None:
    assert _changed(table) == expected


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (_with("name", nullable=False), "name may not be null any more"),
        (_with("name", type=varchar(39)), "name was varchar(40) and is varchar(39), which does not take every value of it"),
        (_with("price", type=decimal(12, 1)), "price was decimal(10,2) and is decimal(12,1)"),
        (_with("price", type=varchar(99)), "price was decimal(10,2) and is varchar(99)"),
        (_with("id", type=smallint), "id was integer and is smallint"),
        (replace(TABLE, columns=(*TABLE.columns, Column("day", date, nullable=False))), "day is new and may not be null"),
        (replace(_with("name", nullable=False), key=("name",)), "its key was (id) and is (name)"),
        (replace(TABLE, source_name="other"), "more than its columns has changed"),
        (replace(TABLE, keep_deleted=True), "more than its columns has changed"),
        (replace(_with("name", type=varchar(99)), changes=Snapshot()), "Snapshot() reads the whole table at each change"),
    ],
)
def test_a_change_that_needs_the_whole_table_says_why(table: Table, reason: str) -> None:
    assert any(each.startswith(reason) for each in _changed(table).whole), _changed(table)


def test_a_key_that_is_a_hash_of_the_row_changes_with_every_column() -> None:
    for table in (replace(ROWS, columns=(*ROWS.columns, Column("day", date))), replace(ROWS, columns=ROWS.columns[:2])):
        assert _changed(table, ROWS).whole == ("its key is a hash of all its columns",)


def test_a_lake_that_does_not_say_its_columns_needs_the_whole_table() -> None:
    found = change(None, "of an earlier version", TABLE)
    assert found is not None
    assert found.whole == ("the lake does not say with which columns its batches landed",)


def test_a_dropped_column_is_null_and_has_no_role() -> None:
    assert carried(OLD, _with("price", dropped=True)) == {"id": "id", "name": "name"}
    assert carried(OLD, _with("price", dropped=True), with_dropped=True)["price"] == "price"
    with pytest.raises(DefinitionError, match="a dropped column is null"):
        _with("price", dropped=True, nullable=False)
    with pytest.raises(DefinitionError, match="cannot be the sortkey"):
        replace(_with("price", dropped=True), sortkey=("price",))


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (varchar(40), varchar(40), True),
        (varchar(40), varchar(41), False),
        (bigint, integer, True),
        (integer, bigint, False),
        (decimal(10, 2), decimal(10, 2), True),
        (decimal(12, 2), decimal(10, 3), False),
        (decimal(12, 2), decimal(11, 0), False),
        (decimal(10, 0), integer, True),
        (decimal(11, 2), integer, False),
        (integer, decimal(9, 0), True),
        (integer, decimal(10, 0), False),
        (integer, decimal(4, 1), False),
        (varchar(1), bigint, True),
        (super_, varchar(65535), True),
        (date, varchar(10), True),
    ],
)
def test_a_type_holds_another_if_it_takes_every_value_of_it(ours: Type, theirs: Type, expected: bool) -> None:
    assert holds(ours, theirs) is expected
