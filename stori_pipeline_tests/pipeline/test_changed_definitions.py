"""A definition that changes, and a source that no longer fits its definition."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stori_pipeline.model.table import Column
from stori_pipeline.model.types import varchar
from stori_pipeline.readers import SourceError
from stori_pipeline.warehouse import WarehouseError
from stori_pipeline_tests.platforms import BANK, EXCHANGE, NAMES, Platform

BRANCHED = replace(BANK, columns=(*BANK.columns, Column("branch", varchar(20))))


def test_a_changed_key_starts_a_generation_and_rebuilds_the_mirror(platform: Platform) -> None:
    platform.move(20)
    platform.sync(BANK)
    platform.move(1)
    keyed = replace(BANK, key=("transaction_no", "account_no"))

    manifest, loaded = platform.sync(keyed)

    assert manifest is not None
    assert loaded is not None
    assert (manifest.kind, manifest.batch, loaded.rows_inserted) == ("snapshot", 2, 21)
    platform.assert_equal(keyed)


def test_a_failed_rebuild_leaves_the_old_mirror_unchanged(platform: Platform) -> None:
    """DROP, CREATE and COPY are one transaction, so a reader sees the old mirror or the new one."""
    platform.move(20)
    platform.sync(BANK)
    before = platform.ledger(BANK)
    platform.write("ALTER TABLE transactions ADD branch text")
    platform.land(BRANCHED, full=True)
    newest = platform.lake.newest(BRANCHED)
    assert newest is not None
    key = newest.parts[0].url.removeprefix(f"s3://{platform.bucket}/")
    part = platform.s3.get_object(Bucket=platform.bucket, Key=key)["Body"].read()
    platform.s3.delete_object(Bucket=platform.bucket, Key=key)

    with pytest.raises(WarehouseError):
        platform.load(BRANCHED)

    assert platform.ledger(BANK) == before
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(20,)]
    with pytest.raises(WarehouseError, match="branch"):
        platform.query("SELECT branch FROM bank.transactions")

    platform.s3.put_object(Bucket=platform.bucket, Key=key, Body=part)
    platform.load(BRANCHED)
    platform.assert_equal(BRANCHED)


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE transactions DROP chip_used", "ALTER TABLE transactions ALTER chip_used TYPE text", "DROP TABLE transactions"],
    ids=["missing", "of another type", "the whole table"],
)
def test_a_source_that_no_longer_fits_its_definition_stops_that_table_only(platform: Platform, statement: str) -> None:
    platform.move(20)
    platform.trade(0, 5)
    platform.sync(BANK)
    platform.write(statement)

    with pytest.raises(SourceError, match="transactions" if "DROP TABLE" in statement else "chip_used"):
        platform.land(BANK)

    ended = platform.stori("sync", "--json", *NAMES).expect(1)
    assert [each["rows_loaded"] for each in ended.json] == [0, 5], str(ended)
    assert "Traceback" not in ended.output, str(ended)
    platform.assert_equal(EXCHANGE)
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(20,)]


def test_a_column_missing_in_the_definition_is_reported_and_stops_nothing(platform: Platform) -> None:
    platform.move(20)
    assert platform.reader(BANK).drift(BANK) == []
    platform.write("ALTER TABLE transactions ADD branch varchar(20)")
    (line,) = platform.reader(BANK).drift(BANK)
    assert 'Column("branch"' in line.text
    platform.sync(BANK)
    platform.assert_equal(BANK)


def test_a_sync_prints_the_line_to_add_where_the_source_has_a_new_column(platform: Platform) -> None:
    platform.move(1)
    platform.write("ALTER TABLE transactions ADD branch varchar(20)")
    ended = platform.stori("sync", BANK.full_name).expect(0)
    assert 'to land it, add Column("branch", varchar(80));' in " ".join(ended.output.split()), str(ended)
