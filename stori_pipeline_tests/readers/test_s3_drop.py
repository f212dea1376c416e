"""Dropped files on a real S3 server: which files are read, when and in which order, and broken files. Formats have tests of their own."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from stori_pipeline.catalog import drops as catalog
from stori_pipeline.contract import Refused, conform
from stori_pipeline.lake import Lake
from stori_pipeline.local.samples.drops import write_drops
from stori_pipeline.local.stack import Stack
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable, reader_for, scaffold
from stori_pipeline.readers.quarantined import ReadsQuarantine
from stori_pipeline.readers.s3_drop import Objects, reading
from stori_pipeline.readers.s3_drop.bucket import Bucket, Dropped
from stori_pipeline_tests.readers.drained import Drained, drained
from stori_pipeline_tests.readers.dropping import TABLE, Drops

if TYPE_CHECKING:
    pass


def _line(key: int, **values: Any) -> str:
    return json.dumps({"id": key, **values})


def _amounts(*readings: Drained) -> dict[int, str]:
    """What a mirror holds after these readings."""
    return {row["id"]: str(row["amount"]) for reading in readings for row in reading.rows}


def test_each_file_is_read_once_and_again_when_it_is_overwritten(drops: Drops) -> None:
    drops.put("sales/1.json", _line(1, amount="1"))
    first = drops.read()
    assert (first.kind, _amounts(first)) == ("snapshot", {1: "1.00"})
    drops.put("sales/2.json", _line(2, amount="2"))
    drops.put("sales/1.json", _line(1, amount="9"))
    second = drops.read(first.until)
    assert (second.kind, second.must_land, _amounts(second)) == ("changes", True, {1: "9.00", 2: "2.00"})
    third = drops.read(second.until)
    assert (third.rows, third.rejected, third.must_land) == ([], [], False)
    assert drops.reader.head(TABLE, second.until) == ""


def test_a_file_of_the_same_second_as_one_read_is_read_and_the_later_name_wins(drops: Drops) -> None:
    drops.put("sales/z.json", _line(1, amount="1") + _line(2, amount="2"))
    first = drops.read()
    # S3 tells whole seconds. Where these two fall into one, the lower name comes first however late it appeared.
    drops.put("sales/a.json", _line(1, amount="7") + _line(3, amount="7"))
    second = drops.read(first.until)
    assert _amounts(first, second) == _amounts(drops.read())
    assert 3 in _amounts(second)


def test_empty_objects_and_other_prefixes_are_skipped(drops: Drops) -> None:
    for key, body in {"sales/": "", "sales/_SUCCESS": "", "sales/folder/": "x", "other/1.json": _line(5), "sales/1.json": _line(1)}.items():
        drops.put(key, body)
    result = drops.read()
    assert (result.values("id"), result.rejected) == ([1], [])


def test_a_folder_without_files_is_told_and_stops_nothing(drops: Drops, lake: Lake) -> None:
    """A partner may not have dropped a file yet; and a wrong prefix looks the same."""
    drops.put("sale/1.json", _line(1))
    first = sync.land(TABLE, drops.reader, lake, run_id="first")
    (note,) = first.notes
    assert note.startswith(f"no object of s3://{drops.bucket}/sales/ is a file, so there is nothing to read")
    assert sync.land(TABLE, drops.reader, lake, run_id="second").notes == (note,)
    drops.put("sales/1.json", _line(1))
    assert sync.land(TABLE, drops.reader, lake, run_id="third").notes == ()
    drops.s3.delete_object(Bucket=drops.bucket, Key="sales/1.json")
    (gone,) = sync.land(TABLE, drops.reader, lake, run_id="fourth").notes
    assert "those that were read before are gone, and their rows stay" in gone


def test_a_file_without_bytes_is_noted_above_all_over_a_good_one(drops: Drops) -> None:
    """Regression: it left no trace."""
    drops.put("sales/1.json", _line(1))
    drops.put("sales/2.json", "")
    first = drops.read()
    assert (first.values("id"), [json.loads(row["raw"])["key"] for row in first.rejected]) == ([1], ["sales/2.json"])
    assert first.rejected[0]["reason"] == "sales/2.json: it is empty: it has no bytes"
    drops.put("sales/1.json", "")
    second = drops.read(first.until)
    assert [(row["code"], json.loads(row["raw"])["key"]) for row in second.rejected] == [("file", "sales/1.json")]
    assert drops.read(second.until).rejected == []


def test_a_file_without_rows_is_remembered(drops: Drops) -> None:
    first = drops.read()
    drops.put("sales/1.csv", "id,amount\n")
    drops.put("sales/2.json", "[]")
    second = drops.read(first.until)
    assert (second.rows, second.rejected, second.must_land) == ([], [], True)
    assert drops.read(second.until).must_land is False


def test_a_broken_file_is_quarantined_and_read_after_it_is_corrected(drops: Drops) -> None:
    rows = "\n".join(_line(key, amount="1") for key in range(100))
    broken: dict[str, bytes | str] = {
        "sales/cut.json": rows[:-5],
        "sales/cut.json.gz": gzip.compress(rows.encode())[:-20],
        "sales/half array.json": "[" + _line(1) + ", ",
        "sales/half data.json": '{"data": [' + _line(1) + "]",
        "sales/latin.csv": "id,note\n1,caf\xe9\n".encode("latin-1"),
        "sales/cut.csv": "id,amount\n1,2.00\n2",
        "sales/open quote.csv": 'id,note\n1,"never closed\n',
        "sales/no id.csv": "number,amount\n1,2\n",
        "sales/two ids.csv": "id,ID \n1,2\n",
        "sales/not.parquet": "PAR1 and then nothing PAR1",
        "sales/notes.txt": "hello",
        "sales/huge number.json": '{"id": 1, "amount": 1e999999999}',
        "sales/deep.json": "[" * 100_000,
    }
    for key, body in broken.items():
        drops.put(key, body)
    drops.put("sales/whole.json", _line(700))
    first = drops.read()
    assert first.values("id") == [700]
    assert {row["code"] for row in first.rejected} == {"file"}
    by_key = {json.loads(row["raw"])["key"]: row for row in first.rejected}
    assert by_key.keys() == broken.keys()
    assert all(row["reason"].startswith(key) for key, row in by_key.items())
    raw = json.loads(by_key["sales/cut.csv"]["raw"])
    assert (raw["begins"], raw["bytes"]) == (broken["sales/cut.csv"], len(broken["sales/cut.csv"]))
    assert re.fullmatch("[0-9a-f]{32}", raw["etag"])
    assert "line 3 has 1 fields, but the header has 2" in by_key["sales/cut.csv"]["reason"]
    assert drops.read(first.until).rejected == []
    drops.put("sales/cut.json", rows)
    assert drops.read(first.until).values("id") == list(range(100))


def test_a_file_of_many_chunks_that_is_broken_at_its_end_lands_no_row(drops: Drops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ROWS", 10)
    rows = "\n".join(_line(key) for key in range(95))
    drops.put("sales/a.json", rows + "\n{")
    drops.put("sales/b.json", rows)
    with drops.reader.read(TABLE, None) as found:
        chunks = list(found)
    assert sum(chunk.rows.num_rows for chunk in chunks) == 95
    assert {row["file"] for chunk in chunks for row in chunk.rows.to_pylist()} == {"sales/b.json"}
    assert max(chunk.rows.num_rows for chunk in chunks) == 10


def test_a_listing_of_several_pages_is_read_to_its_end(drops: Drops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stori_pipeline.readers.s3_drop.bucket.PAGE", 3)  # S3's own pages have a thousand
    for number in range(10):
        drops.put(f"sales/{number}.json", _line(number))
    first = drops.read()
    assert first.values("id") == list(range(10))
    drops.put("sales/9.json", _line(9, amount="1"))
    assert _amounts(drops.read(first.until)) == {9: "1.00"}


ODD = ["a b", "ü/ż🚀", "100%", "%2F", "a+b", "'quoted'", '"', "k=v", "a&b?c#d", "..", "\\", "<x>", "tab\t", "a//b", "x;y,z", "~"]


def test_files_with_any_name_are_read_and_their_names_land_unchanged(drops: Drops) -> None:
    keys = [f"sales/{odd}.json" for odd in ODD]
    for number, key in enumerate(keys):
        drops.put(key, _line(number))
    first = drops.read()
    assert {row["file"]: row["id"] for row in first.rows} == {key: number for number, key in enumerate(keys)}
    assert drops.read(first.until).must_land is False


def test_rows_without_a_key_have_one_in_their_file_and_line(drops: Drops) -> None:
    keyless = drops.keyed_by_file()
    drops.put("sales/1.csv", "amount\n1\n1\n")
    drops.put("sales/2.csv", "amount\n1\n")
    assert [(row["file"], row["line"]) for row in keyless.read().rows] == [("sales/1.csv", 1), ("sales/1.csv", 2), ("sales/2.csv", 1)]


def test_removing_a_file_deletes_no_row(drops: Drops) -> None:
    for key in (1, 2):
        drops.put(f"sales/{key}.json", _line(key))
    first = drops.read()
    drops.s3.delete_object(Bucket=drops.bucket, Key="sales/2.json")
    assert drops.read(first.until).rows == []
    drops.s3.delete_object(Bucket=drops.bucket, Key="sales/1.json")
    emptied = drops.read(first.until)
    drops.put("sales/3.json", _line(3))
    assert drops.read(emptied.until).values("id") == [3]


@pytest.mark.parametrize("change", ["overwritten", "removed"])
def test_a_file_that_changes_between_listing_and_reading_waits_for_the_next_reading(
    drops: Drops, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops.put("sales/1.json", _line(1))
    drops.put("sales/2.json", _line(2))
    files = Bucket.files

    def then_changed(self: Bucket, prefix: str) -> list[Dropped]:
        listed = files(self, prefix)
        if change == "overwritten":
            drops.put("sales/2.json", _line(22))
        else:
            drops.s3.delete_object(Bucket=drops.bucket, Key="sales/2.json")
        return listed

    monkeypatch.setattr(Bucket, "files", then_changed)
    first = drops.read()
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ENDPOINT_URL", drops.s3.meta.endpoint_url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    assert first.values("id") == [1]
    assert drops.read(first.until).values("id") == ([22] if change == "overwritten" else [])


@pytest.mark.clock
def test_a_day_read_again_overwrites_no_row_of_later_files(drops: Drops, monkeypatch: pytest.MonkeyPatch) -> None:
    monday = datetime(2024, 11, 11, 9, tzinfo=timezone.utc)
    drops.put("sales/1.json", _line(1, amount="1") + _line(2, amount="1"))
    drops.put("sales/2.json", _line(2, amount="2") + _line(3, amount="2"))
    until = drops.read().until
    files = Bucket.files

    def a_day_apart(self: Bucket, prefix: str) -> list[Dropped]:
        return [replace(file, modified=monday + timedelta(days=number)) for number, file in enumerate(files(self, prefix))]

    monkeypatch.setattr(Bucket, "files", a_day_apart)  # no S3 lets its client say when a file was dropped
    first = drained(drops.reader, TABLE, until, day=date(2024, 11, 11))
    assert (_amounts(first), first.until) == ({1: "1.00"}, until)
    assert _amounts(drained(drops.reader, TABLE, until, day=date(2024, 11, 12))) == {2: "2.00", 3: "2.00"}
    assert drained(drops.reader, TABLE, until, day=date(2024, 11, 13)).rows == []


def test_errors_say_what_to_do(drops: Drops, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="no such bucket"):
        drained(reader_for("s3_drop", "s3://not-there"), TABLE)
    for wrong in ("https://example.org", "s3://", "s3://key:s3cret@bucket", "s3://bucket/folder"):
        with pytest.raises(SourceError, match="should look like s3://bucket") as raised:
            drained(reader_for("s3_drop", wrong), TABLE)
        assert "s3cret" not in str(raised.value)
    with pytest.raises(PositionLost):
        drained(drops.reader, TABLE, {"token": "of a change stream"})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceUnavailable, match=r"partners\.sales in s3://.* at 127\.0\.0\.1:9"):
        drops.read()


def test_drift_and_scaffolded_definitions_come_from_the_newest_files(drops: Drops) -> None:
    assert drops.reader.drift(TABLE) == []
    drops.put("sales/1.csv", "ID, sold.on ,Note,Über-Colour\n1,2024-11-15,a,red\n")
    drops.put("sales/2.json", _line(1, note="a", size={"Width": 3}, odd=None))
    by_key = drops.reader.drift(TABLE)
    assert [re.findall(r"Column\(.*\)", line.text) for line in by_key] == [
        ['Column("width", bigint, path="size.Width")'],
        ['Column("uber_colour", varchar(65535), path="Über-Colour")'],
    ]
    text = scaffold("s3_drop", f"s3://{drops.bucket}", "drops", "sales/")
    assert '# a guess: each of 1 texts reads as a bigint\n        Column("id", bigint),' in text
    assert 'Column("size", super_)' in text
    assert 'changes=Objects("sales/")' in text
    with pytest.raises(SourceError, match="no readable file"):
        scaffold("s3_drop", f"s3://{drops.bucket}", "drops", "nothing/")


@pytest.mark.parametrize(
    ("name", "body", "bad", "good"),
    [
        ("a.csv", "id,note,note\n1,a,b\n2\n", "2\\n", "2,c,d"),
        ("a.jsonl", '{"id": 1, "note#2": "b"}\n{"id" 2}\n', '{\\"id\\" 2}', '{\\"id\\": 2, \\"note#2\\": \\"d\\"}'),
    ],
)
def test_a_line_that_was_corrected_in_quarantine_is_read_as_its_row(drops: Drops, name: str, body: str, bad: str, good: str) -> None:
    drops = replace(drops, table=replace(drops.table, columns=(Column("second", varchar(8), path="note#2"), *drops.table.columns)))
    drops.put(f"sales/{name}", body)
    (rejected,) = drops.read().rejected
    assert rejected["code"] == "line"
    assert bad in rejected["raw"]
    assert isinstance(drops.reader, ReadsQuarantine)
    same, corrected = (
        drops.reader.rows_again(drops.table, [Refused("line", rejected["reason"], raw)], {})[0]
        for raw in (rejected["raw"], rejected["raw"].replace(bad, good))
    )
    assert same == [Refused("line", rejected["reason"], rejected["raw"])]
    rows, none = conform(drops.table, corrected)
    assert none.num_rows == 0
    (row,) = rows.to_pylist()
    assert (row["id"], row["second"], row["file"], row["line"]) == (2, "d", f"sales/{name}", 2)


def test_the_sample_files_are_read_into_the_expected_rows(drops: Drops, idle_stack: Stack) -> None:
    environ = {**idle_stack.client_environ(), "STORI_SOURCE_DROPS": f"s3://{drops.bucket}"}
    report = write_drops(environ, seed=3, days=5)
    found = {table.name: drained(drops.reader, table) for table in catalog.TABLES}
    assert len({tuple(row[name] for name in catalog.TABLES[0].key) for row in found["card_settlements"].rows}) == report.settlements
    assert len({row["merchant_id"] for row in found["merchants"].rows}) == report.merchants
    rejected = [row for each in found.values() for row in each.rejected]
    assert [row["code"] for row in rejected] == ["file"] * report.broken
    assert all(row["gross_amount"] - row["fee_amount"] == row["net_amount"] for row in found["card_settlements"].rows)
    assert len({row["file"] for each in found.values() for row in each.rows}) == report.files
    assert all(drops.reader.drift(table) == [] for table in catalog.TABLES)
    assert write_drops(environ, seed=3, days=5) == report


@pytest.fixture
def late_files(drops: Drops, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, datetime]]:
    """LastModified by key: as if the upload had begun then."""
    began: dict[str, datetime] = {}
    files = Bucket.files
    monkeypatch.setattr(
        Bucket,
        "files",
        lambda self, prefix: sorted(replace(file, modified=began.get(file.key, file.modified)) for file in files(self, prefix)),
    )
    yield began


@pytest.mark.clock
def test_a_long_upload_overwrites_no_row_of_files_that_began_later(drops: Drops, late_files: dict[str, datetime]) -> None:
    drops.put("sales/quick.json", _line(1, amount="2") + _line(2, amount="2"))
    first = drops.read()
    late_files["sales/large.json"] = datetime.now(timezone.utc) - timedelta(hours=5)
    drops.put("sales/large.json", _line(1, amount="1") + _line(3, amount="1"))
    second = drops.read(first.until)
    assert _amounts(second) == {3: "1.00"}
    assert _amounts(first, second) == _amounts(drops.read())
    assert drops.read(second.until).must_land is False


def test_a_declared_format_overrides_the_file_name(drops: Drops) -> None:
    declared = replace(drops, table=replace(TABLE, changes=Objects("sales/", "csv")))
    drops.put("sales/export.txt", "ID;x,Amount\n")
    drops.put("sales/export.dat", "ID,Amount\n5, 2.50 \n")
    result = declared.read()
    assert _amounts(result) == {5: "2.50"}
    assert [row["code"] for row in result.rejected] == ["file"]
