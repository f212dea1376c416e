"""What every rig of the conformance suite has in common: the shop's one table, and the writes to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any, ClassVar, Protocol

import pytest

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, decimal, double, integer, smallint, super_, timestamptz, varchar
from stori_pipeline.model.types import date as date_type
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.readers import Reader

Row = dict[str, Any]
UTC = timezone.utc

NAME_BYTES = 32
COLUMNS = (
    Column("id", bigint, nullable=False),
    Column("tiny", smallint),
    Column("whole", integer),
    Column("price", decimal(18, 6)),
    Column("flag", boolean),
    Column("day", date_type),
    Column("at", timestamptz),
    Column("ratio", double),
    Column("name", varchar(NAME_BYTES)),
    Column("doc", super_),
    Column("changed_at", timestamptz),
)
"""One column of every type, and a stamp that the rigs keep as applications do."""


EDGES: list[Row] = [
    {"id": -(2**63), "tiny": -(2**15), "whole": -(2**31), "price": Decimal("-999999999999.999999"), "flag": False},
    {"id": 2**63 - 1, "tiny": 2**15 - 1, "whole": 2**31 - 1, "price": Decimal("999999999999.999999"), "flag": True},
    {"id": 1, "tiny": 0, "whole": 0, "price": Decimal("0.000001"), "name": "", "doc": {}},
    {"id": 2},
    {"id": 3, "day": date(1, 1, 1), "at": datetime(1, 1, 1, tzinfo=UTC), "name": "  both ends  "},
    {"id": 4, "day": date(9999, 12, 31), "at": datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), "name": "ż" * (NAME_BYTES // 2)},
    {"id": 5, "day": date(2024, 2, 29), "at": datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), "name": "🚀\t\n\\N,'\"|"},
    {"id": 6, "ratio": 0.1, "name": "NULL", "doc": [1, 2.5, None, True, "text", {"b": 1, "a": [], "long name": "ż🚀\t"}]},
    {"id": 7, "ratio": -1.5e-8, "name": "\\N", "doc": "text"},
    {"id": 8, "ratio": 1e27, "price": Decimal("110.100000"), "doc": {"null": None, "false": False, "empty": ""}},
    {"id": 9, "ratio": -0.0, "price": Decimal("100.000000"), "doc": [110.07, 110.12, 110.3]},
    {"id": 10, "ratio": 5.0, "doc": 0},
]
"""Rows with values at the edges of every type."""


def items(*keys: int) -> list[Row]:
    return [{"id": key, "name": f"item {key}", "price": Decimal(key)} for key in keys]


class Rig(Protocol):
    """One table of one kind of source. Values are those of `COLUMNS` as Python has them; documents are not encoded."""

    kind: str
    ways: ClassVar[Mapping[str, Changes]]
    """The ways of finding changes that are tested with this rig, by a name for the test's id."""
    whole_rows: bool
    """Whether its rows can have a value for every one of `COLUMNS`, and not for `id` and `name` alone."""
    shows_unread_rows: bool
    """Whether the source can be asked about rows without reading them. A queue counts how often it hands a message over."""
    table: Table
    reader: Reader

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None: ...

    def insert(self, rows: Sequence[Row]) -> None:
        """Insert and commit, each row stamped with the time."""

    def update(self, key: int, **values: Any) -> None:
        """Change one row and commit, stamped likewise."""

    def delete(self, key: int) -> None: ...

    def drop(self) -> None:
        """Takes the table itself away: drops it, deletes the queue or the bucket, or answers with nothing at its path."""

    def add_field(self, name: str) -> None:
        """Gives the rows another field, of text, that the definition does not name."""

    def unreachable(self) -> Reader:
        """A reader of the same kind, for a server at 127.0.0.1 that does not run. Its password is `s3cret`."""


def shop_table(kind: str, changes: Changes) -> Table:
    return Table(Source("shop", kind, "A shop."), "items", COLUMNS, ("id",), changes, cursor="at")


def now() -> datetime:
    """To the millisecond, which is as fine as MongoDB keeps it."""
    moment = datetime.now(timezone.utc)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def json_row(row: Row) -> str:
    """A row as JSON: values without a JSON type become texts, and numbers are exact."""
    return json_text({name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()})
