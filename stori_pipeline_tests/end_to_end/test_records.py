"""A record that changes, and a source that changes under its record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stori_pipeline.model.table import Column
from stori_pipeline.model.types import varchar
from stori_pipeline.readers import SourceError
from stori_pipeline.warehouse import WarehouseError
from stori_pipeline_tests.end_to_end.pipeline import BANK, EXCHANGE, NAMES, Pipeline

BRANCHED = replace(BANK, columns=(*BANK.columns, Column("branch", varchar(20))))


def test_a_column_added_to_the_record_starts_a_generation_and_rebuilds_the_mirror(pipeline: Pipeline) -> None:
    pipeline.move(20)
    pipeline.sync(BANK)
    pipeline.write("ALTER TABLE transactions ADD branch text DEFAULT 'north'")
    pipeline.move(1)

    manifest, loaded = pipeline.sync(BRANCHED)

    assert manifest is not None
    assert loaded is not None
    assert (manifest.kind, manifest.batch, loaded.rows_inserted) == ("snapshot", 2, 21)
    pipeline.assert_equal(BRANCHED)
    assert pipeline.query("SELECT branch, COUNT(*) FROM bank.transactions GROUP BY branch") == [("north", 21)]


def test_a_rebuild_that_fails_leaves_the_old_mirror_whole(pipeline: Pipeline) -> None:
    """DROP, CREATE and COPY are one transaction: who reads the mirror sees the old one or the new one."""
    pipeline.move(20)
    pipeline.sync(BANK)
    before = pipeline.ledger(BANK)
    pipeline.write("ALTER TABLE transactions ADD branch text")
    pipeline.land(BRANCHED)
    newest = pipeline.lake.newest(BRANCHED)
    assert newest is not None
    key = newest.parts[0].url.removeprefix(f"s3://{pipeline.bucket}/")
    part = pipeline.s3.get_object(Bucket=pipeline.bucket, Key=key)["Body"].read()
    pipeline.s3.delete_object(Bucket=pipeline.bucket, Key=key)

    with pytest.raises(WarehouseError):
        pipeline.load(BRANCHED)

    assert pipeline.ledger(BANK) == before
    assert pipeline.query("SELECT COUNT(*) FROM bank.transactions") == [(20,)]
    with pytest.raises(WarehouseError, match="branch"):
        pipeline.query("SELECT branch FROM bank.transactions")

    pipeline.s3.put_object(Bucket=pipeline.bucket, Key=key, Body=part)
    pipeline.load(BRANCHED)
    pipeline.assert_equal(BRANCHED)


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE transactions DROP chip_used", "ALTER TABLE transactions ALTER chip_used TYPE text", "DROP TABLE transactions"],
    ids=["missing", "of another type", "the whole table"],
)
def test_a_source_that_no_longer_fits_its_record_stops_that_table_only(pipeline: Pipeline, statement: str) -> None:
    pipeline.move(20)
    pipeline.trade(0, 5)
    pipeline.sync(BANK)
    pipeline.write(statement)

    with pytest.raises(SourceError, match="transactions" if "DROP TABLE" in statement else "chip_used"):
        pipeline.land(BANK)

    ended = pipeline.stori("sync", "--json", *NAMES).expect(1)
    assert [each["rows_loaded"] for each in ended.json] == [0, 5], str(ended)
    assert "Traceback" not in ended.said, str(ended)
    pipeline.assert_equal(EXCHANGE)
    assert pipeline.query("SELECT COUNT(*) FROM bank.transactions") == [(20,)]


def test_a_column_that_the_record_does_not_name_is_said_and_stops_nothing(pipeline: Pipeline) -> None:
    pipeline.move(20)
    assert pipeline.reader(BANK).drift(BANK) == []
    pipeline.write("ALTER TABLE transactions ADD branch varchar(20)")
    (line,) = pipeline.reader(BANK).drift(BANK)
    assert 'Column("branch"' in line
    pipeline.sync(BANK)
    pipeline.assert_equal(BANK)
