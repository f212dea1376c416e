"""How a CSV file is written is found, and said in the suggested definition; and what the check of a definition says of the newest files."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from stori_pipeline.model.table import Column
from stori_pipeline.model.types import varchar
from stori_pipeline.readers.s3_drop import Objects
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.dropping import TABLE, Drops
from stori_pipeline_tests.readers.scaffolded_drops import read, suggested

_SPANISH = "Informe de ventas\nAño 2024\n\nid;Dirección;Importe;Fecha\n1;Calle Málaga;1234,50;2024-11-15\n2;;-3,25;2024-11-16\n"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_csv_of_other_countries_is_suggested_with_its_options(drops: Drops, encoding: str) -> None:
    drops.put("feed/1.csv", _SPANISH.encode(encoding))
    text, table = suggested(drops, "feed")
    assert table.changes == Objects("feed/", delimiter=";", encoding=encoding, decimal=",", header_line=4)
    assert "# a guess: the first 3 lines of each file come before the names of the columns\n" in text
    rows = [(row["id"], row["direccion"], row["importe"], row["fecha"]) for row in read(drops, table).rows]
    assert rows == [(1, "Calle Málaga", Decimal("1234.50"), date(2024, 11, 15)), (2, None, Decimal("-3.25"), date(2024, 11, 16))]


def test_a_bad_line_hides_neither_the_delimiter_nor_the_header(drops: Drops) -> None:
    lines = ["id;note", *(f"{number};x" for number in range(30)), "31;x;more", "32;y"]
    drops.put("feed/1.csv", "\n".join(lines) + "\n")
    _, table = suggested(drops, "feed")
    assert table.changes == Objects("feed/", delimiter=";")
    found = drained(drops.reader, table)
    assert (len(found.rows), [row["code"] for row in found.rejected]) == (31, ["line"])


def test_a_file_of_another_encoding_is_named(drops: Drops) -> None:
    for number in (1, 2):
        drops.put(f"feed/{number}.csv", "id,town\n1,Málaga\n")
    drops.put("feed/3.csv", "id,town\n3,Málaga\n".encode("cp1252"))
    drops.put("feed/4.csv", "id,town\n4,Madrid\n")
    text, table = suggested(drops, "feed")
    assert "# feed/3.csv has another encoding, 'cp1252'; give its files a folder of their own\n" in text
    found = drained(drops.reader, table)
    assert [json.loads(row["raw"])["key"] for row in found.rejected] == ["feed/3.csv"]
    assert len(found.rows) == 3


def test_an_envelope_that_looks_like_a_row_is_suggested_with_where_its_rows_are(drops: Drops) -> None:
    drops.put("feed/1.json", '{"id": "request 1", "data": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}')
    _, table = suggested(drops, "feed")
    assert table.changes == Objects("feed/", rows_at="data")
    assert [row["name"] for row in read(drops, table).rows] == ["a", "b"]


def test_the_check_of_a_definition_looks_past_the_newest_files(drops: Drops) -> None:
    """Regression: it looked at three files, and a column of the fourth was never named."""
    columns = "id,amount,Sold On,note,tags"
    drops.put("sales/0.csv", f"{columns},Discount\n1,1.00,,,,5%\n")
    for number in range(1, 6):
        drops.put(f"sales/{number}.csv", f"{columns}\n{number},1.00,,,\n")
    (line,) = drops.reader.drift(TABLE)
    assert 'Column("discount", varchar(65535), path="Discount")' in line.text


def test_a_column_that_no_file_has_is_named(drops: Drops) -> None:
    """Regression: it was null in each row, without a word."""
    drops.put("sales/1.csv", "id,amount,Sold On,note,tags\n1,1.00,,,\n")
    table = replace(TABLE, columns=(*TABLE.columns, Column("country", varchar(2), path="address.country")))
    (line,) = drops.reader.drift(table)
    assert line.text.startswith("none of the 1 newest files has 'address.country', so the column country is null in their rows")
    drops.put("sales/2.csv", "id,amount,Sold On,note,tags,Address Country\n1,1.00,,,,FR\n")
    assert drops.reader.drift(table) == []
