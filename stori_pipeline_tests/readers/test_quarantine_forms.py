"""The raw forms of rejected rows: what each kind keeps is enough to read the row again, and an unmended row is refused again."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stori_pipeline.catalog.rates import TABLES
from stori_pipeline.contract import Refused, conform, raw_text
from stori_pipeline.local.rates_server import RatesServer
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, decimal, super_, varchar
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline.readers.mongo import ChangeStream
from stori_pipeline.readers.quarantined import refused_rows, rows_again
from stori_pipeline.readers.s3_drop import Objects, formats
from stori_pipeline.readers.s3_drop.bucket import Dropped
from stori_pipeline.readers.sqs import Queue
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.dropping import Drops

(RATES,) = TABLES
OBJECTS = Objects("sales/", delimiter=";")
SALES = Table(
    Source("partners", "s3_drop", "Partners."),
    "sales",
    (
        Column("file", varchar(64), nullable=False, path="$key"),
        Column("line", bigint, nullable=False, path="$line"),
        Column("no", bigint),
        Column("price", decimal(9, 2)),
    ),
    ("file", "line"),
    OBJECTS,
)


def _parquet(**columns: list[Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


BODIES = {
    "json": b'{"no": 1, "price": 1.25}\n{"no": 2, "price": 1.23456}\n',
    "csv": b"no;price\n1;1.25\n2;1.23456\n",
    "parquet": _parquet(no=[1, 2], price=["1.25", "1.23456"]),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_rejected_row_of_a_file_is_read_again_with_its_file_and_line(kind: str) -> None:
    """Rows whose key is their place in the file would have no key without it."""
    file = Dropped(datetime(2024, 11, 15, 8, tzinfo=timezone.utc), f"sales/a.{kind}", '"e"', 1)
    fitting, rejected = conform(SALES, list(formats.rows(SALES, kind, io.BytesIO(BODIES[kind]), file, OBJECTS)))
    assert fitting.num_rows == 1
    (kept,) = refused_rows(rejected.to_pylist())
    reader = reader_for("s3_drop", "s3://nowhere")

    ((again,),) = rows_again(SALES, reader, [kept], {})
    _, still = conform(SALES, [again])
    assert (still.column("code").to_pylist(), json.loads(still.column("raw")[0].as_py())) == (["scale"], json.loads(kept.raw))
    ((row,),) = rows_again(SALES, reader, [replace(kept, raw=kept.raw.replace("1.23456", "1.23"))], {})
    landed, _ = conform(SALES, [row])
    assert landed.to_pylist() == [{"file": f"sales/a.{kind}", "line": 2, "no": 2, "price": Decimal("1.23"), "_deleted": False}]
    ((other,),) = rows_again(SALES, reader, [replace(kept, raw="[1]")], {})
    assert isinstance(other, Refused)


def test_a_broken_file_is_read_again_until_it_is_overwritten(drops: Drops) -> None:
    drops = replace(drops, table=replace(SALES, changes=Objects("sales/", delimiter=",")))
    drops.put("sales/a.csv", b"no;price\n1;1,25,3\n")
    (kept,) = refused_rows(drops.read().rejected)
    assert kept.code == "file"
    ((still,),) = rows_again(drops.table, drops.reader, [kept], {})
    assert isinstance(still, Refused)
    columns = (*SALES.columns[:3], Column("price", varchar(8)))
    mended = replace(SALES, columns=columns)
    ((row,),) = rows_again(mended, drops.reader, [kept], {})
    landed, _ = conform(mended, [row])
    assert landed.to_pylist() == [{"file": "sales/a.csv", "line": 1, "no": 1, "price": "1,25,3", "_deleted": False}]
    drops.put("sales/a.csv", b"no;price\n2;2\n")
    assert rows_again(mended, drops.reader, [kept], {}) == [[kept]]  # that version is gone; the new one is read by itself


@pytest.fixture
def rates() -> Iterator[RatesServer]:
    with RatesServer(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _configure(server: RatesServer, **orders: Any) -> Reader:
    assert httpx.post(f"{server.url}/control", json={"today": "2024-11-15", **orders}).status_code == 200
    return reader_for("http_api", f"{server.url}?base=GBP")


@pytest.mark.parametrize("wrong", ["-1.2", "127.5"])
def test_an_implausible_number_does_not_become_plausible_by_a_replay(rates: RatesServer, wrong: str) -> None:
    reader = _configure(rates, rates={"2024-11-14": {"USD": wrong}})
    first = drained(reader, RATES)
    (kept,) = refused_rows(first.rejected)
    ((again,),) = rows_again(RATES, reader, [kept], first.until)
    assert conform(RATES, [again])[1].column("code").to_pylist() == ["implausible"]
    mended = replace(kept, raw=kept.raw.replace(wrong, "1.27"))
    ((row,),) = rows_again(RATES, reader, [mended], first.until)
    assert conform(RATES, [row])[0].to_pylist() == [
        {"rate_date": date(2024, 11, 14), "base": "GBP", "currency": "USD", "rate": Decimal("1.27000000"), "_deleted": False}
    ]


def test_a_day_that_was_missing_is_asked_for_again(rates: RatesServer) -> None:
    reader = _configure(rates, unknown=["2024-11-13"])
    first = drained(reader, RATES)
    (kept,) = refused_rows(first.rejected)
    assert rows_again(RATES, reader, [kept], first.until) == [[kept]]
    (rows,) = rows_again(RATES, _configure(rates, unknown=[]), [kept], first.until)
    assert conform(RATES, rows)[0].num_rows == 8


def test_a_document_too_large_to_be_kept_is_not_read_as_a_row_of_nulls() -> None:
    table = Table(
        Source("shop", "mongodb", "A shop."),
        "items",
        (Column("id", varchar(24), nullable=False, path="_id"), Column("doc", super_)),
        ("id",),
        ChangeStream(),
    )
    kept = Refused("too_long", "doc: it is too long", raw_text({"_id": "x", "document": "{", "$shortened": True}), "doc")
    reader = reader_for("mongodb", "mongodb://nowhere/shop")
    assert rows_again(table, reader, [kept], {}) == [[kept]]
    ((row,),) = rows_again(table, reader, [replace(kept, raw='{"_id": "x", "doc": {"a": {"$numberLong": "1"}}}')], {})
    assert conform(table, [row])[0].to_pylist() == [{"id": "x", "doc": b'{"a":1}', "_deleted": False}]


def test_a_message_may_be_edited_as_the_object_that_it_is() -> None:
    table = Table(Source("events", "sqs", "Events."), "items", (Column("id", bigint, nullable=False),), ("id",), Queue())
    kept = Refused("bad_json", "its body is not JSON", '{"message_id": "m", "sent": 1, "body": "{id: 1"}')
    reader = reader_for("sqs", "https://sqs.eu-central-1.amazonaws.com/123456789012/items")
    for body in ('"{\\"id\\": 12345678901234567}"', '{"id": 12345678901234567}'):
        ((row,),) = rows_again(table, reader, [replace(kept, raw=f'{{"message_id": "m", "sent": 1, "body": {body}}}')], {})
        assert conform(table, [row])[0].column("id").to_pylist() == [12345678901234567]
    assert rows_again(table, reader, [replace(kept, raw='{"message_id": "m"}')], {}) == [[replace(kept, raw='{"message_id": "m"}')]]


def test_no_source_may_have_the_name_of_the_quarantines_assets() -> None:
    with pytest.raises(DefinitionError, match="'quarantine' is a name of the platform"):
        Source("quarantine", "sqs", "Its assets would be those of the quarantine.")
