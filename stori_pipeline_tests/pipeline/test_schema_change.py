"""A changed definition that keeps the generation: the mirror, the lake and every rebuild of them have the same rows as the source."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import psycopg2
import pytest

from stori_pipeline.lake.upkeep import compact
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, decimal, varchar
from stori_pipeline.pipeline.detect_deletes import DetectionRefused
from stori_pipeline_tests.platforms import BANK, Platform

NORTH = "ALTER TABLE transactions ADD branch text DEFAULT 'north'"
BRANCHED = replace(BANK, columns=(*BANK.columns[:3], Column("branch", varchar(20)), *BANK.columns[3:]))


def _changed(table: Table, column: str, **values: object) -> Table:
    return replace(table, columns=tuple(replace(c, **values) if c.name == column else c for c in table.columns))  # type: ignore[arg-type]


def _without(table: Table, name: str) -> Table:
    return replace(table, columns=tuple(c for c in table.columns if c.name != name))


def _mirror(platform: Platform, table: Table) -> list[tuple[object, ...]]:
    names = ", ".join(c.name for c in table.columns)
    return platform.query(f"SELECT {names} FROM {table.full_name} ORDER BY {table.key[0]}")


def assert_all_equal(platform: Platform, table: Table) -> None:
    """The mirror equals the source; so do the lake's live rows, compacted and not, and a mirror that is loaded again after its loss."""
    platform.assert_equal(table, loaded_again=True)
    mirror = _mirror(platform, table)
    live = platform.lake.live(table).sort(table.key).collect()
    assert live.columns == [c.name for c in table.columns]
    assert len(live) == len(mirror)
    compact(platform.lake, table, more_than=0)
    assert platform.lake.live(table).sort(table.key).collect().equals(live)
    platform.execute(f"DROP TABLE {table.full_name} CASCADE", f"DELETE FROM pipeline.loads WHERE target = '{table.full_name}'")
    platform.load(table)
    assert _mirror(platform, table) == mirror
    platform.assert_equal(table, loaded_again=True)


def test_a_new_column_reads_keys_and_the_column_only_and_keeps_the_generation(platform: Platform) -> None:
    platform.move(20)
    first, _ = platform.sync(BANK)
    platform.write("DELETE FROM transactions WHERE transaction_no = 4")
    platform.detect_deletes(BANK)
    platform.write(NORTH)
    with pytest.raises(DetectionRefused, match="its definition has changed since batch 2 landed; sync it first"):
        platform.detect_deletes(BRANCHED)
    platform.write("UPDATE transactions SET branch = 'south' WHERE transaction_no = 3")
    platform.move(1)

    manifest, loaded = platform.sync(BRANCHED)

    columns = platform.lake.find(BANK, 3)
    assert first is not None
    assert columns is not None
    assert manifest is not None
    assert loaded is not None
    assert (columns.kind, columns.brings, columns.rows, columns.generation) == ("columns", ("branch",), 20, first.generation)
    assert columns.until["next"] == first.until["next"], "the position stays"
    assert columns.until["layout"].keys() - first.until["layout"].keys() == {"branch"}, "a later change of the column is noticed"
    parts = [
        pl.read_parquet(platform.s3.get_object(Bucket=platform.bucket, Key=p.url.split("/", 3)[3])["Body"].read()) for p in columns.parts
    ]
    assert [part.columns for part in parts] == [["transaction_no", "branch", "_batch", "_seq", "_deleted"]]
    assert (manifest.kind, manifest.batch, manifest.generation, manifest.rows) == ("changes", 4, first.generation, 2)
    assert (loaded.rows_copied, loaded.rows_inserted) == (1 + 20 + 2, 2)
    assert platform.query("SELECT branch, COUNT(*) FROM bank.transactions GROUP BY branch ORDER BY branch") == [("north", 19), ("south", 1)]
    assert_all_equal(platform, BRANCHED)
    platform.change()
    platform.sync(BRANCHED)
    assert_all_equal(platform, BRANCHED)


def test_a_kill_after_the_columns_landed_and_before_they_loaded_loses_nothing(platform: Platform) -> None:
    platform.move(20)
    platform.sync(BANK)
    platform.change()
    platform.land(BANK)
    platform.write(NORTH)
    platform.land(BRANCHED)
    platform.change()
    platform.land(BRANCHED)
    platform.write("UPDATE transactions SET branch = 'east' WHERE transaction_no % 3 = 0")
    wider = _changed(BRANCHED, "branch", type=varchar(90))
    platform.land(wider)
    platform.load(wider)
    assert_all_equal(platform, wider)


_WIDE = _changed(BANK, "transaction_details", type=varchar(2048))
_WIDER = _changed(_WIDE, "balance_amt", type=decimal(20, 4))
_LOOSE = _changed(_WIDER, "balance_amt", nullable=True)
_REORDERED = replace(_LOOSE, columns=_LOOSE.columns[:2] + _LOOSE.columns[:1:-1])
_RENAMED = _changed(_REORDERED, "chip_used", name="by_chip", path="chip_used", nullable=True)
_MOVED = _changed(_RENAMED, "by_chip", path="chipped")
_ADDED = replace(_MOVED, columns=(*_MOVED.columns, Column("branch_no", bigint)))
_DROPPED = _changed(_ADDED, "by_chip", dropped=True)
_CHAIN = {
    "a text is wider": (_WIDE, "", False),
    "a number is wider": (_WIDER, "", True),
    "a column may be null": (_LOOSE, "", True),
    "columns are in another order": (_REORDERED, "", False),
    "a column has another name here": (_RENAMED, "", True),
    "a column has another name in the source": (_MOVED, "ALTER TABLE transactions RENAME chip_used TO chipped", False),
    "a column is new": (_ADDED, "ALTER TABLE transactions ADD branch_no bigint DEFAULT 7", False),
    "the source dropped a column, which stays as null": (_DROPPED, "ALTER TABLE transactions DROP chipped", False),
    "a column is removed": (_without(_DROPPED, "by_chip"), "", False),
}
"""Definitions one after the other, each with what its source did, and whether the mirror must be written anew."""

_GRANTS = "SELECT privilege_type FROM svv_relation_privileges WHERE namespace_name = 'bank' AND relation_name = 'transactions'"
_VIEWS = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'bank' AND table_name = 'of_others'"


def test_each_change_of_a_chain_keeps_the_generation_and_the_mirror_equals(platform: Platform) -> None:
    platform.move(20)
    first, _ = platform.sync(BANK)
    assert first is not None
    for what, (table, statement, is_shadow) in _CHAIN.items():
        platform.execute(
            "GRANT SELECT ON bank.transactions TO PUBLIC", "CREATE VIEW bank.of_others AS SELECT transaction_no FROM bank.transactions"
        )
        if statement:
            platform.write(statement)
        platform.sync(table)
        newest = platform.lake.newest(table)
        assert newest is not None
        assert (newest.generation, newest.columns_at) == (first.generation, newest.batch), what
        assert platform.query(f"{_GRANTS} AND identity_type = 'public'") == [("SELECT",)], what
        assert platform.query(_VIEWS) == [(0 if is_shadow else 1,)], what
        assert_all_equal(platform, table)
        platform.write("UPDATE transactions SET balance_amt = balance_amt + 1 WHERE transaction_no % 2 = 0")
        platform.sync(table)
        assert_all_equal(platform, table)


def test_columns_that_come_and_go_keep_one_generation(platform: Platform) -> None:
    platform.move(6)
    first, _ = platform.sync(BANK)
    platform.write(NORTH)
    platform.sync(BRANCHED)
    platform.sync(BANK)
    platform.write("UPDATE transactions SET branch = 'west' WHERE transaction_no < 3")
    platform.sync(BANK)
    platform.sync(BRANCHED)
    newest = platform.lake.newest(BANK)
    assert first is not None
    assert newest is not None
    assert newest.generation == first.generation
    assert_all_equal(platform, BRANCHED)


def test_rejected_rows_that_may_fit_by_now_are_read_again(platform: Platform) -> None:
    platform.move(200)
    platform.sync(BANK)
    platform.move(1, details="x" * 1500)
    platform.sync(BANK)
    wider = _changed(BANK, "transaction_details", type=varchar(2048))
    manifest, _ = platform.sync(wider)
    assert manifest is not None
    assert (manifest.kind, manifest.rows, manifest.rejected) == ("snapshot", 201, 0)
    assert_all_equal(platform, wider)


def test_a_narrower_column_is_judged_again_with_the_whole_table(platform: Platform) -> None:
    platform.move(3)
    platform.sync(BANK)
    narrow = _changed(BANK, "transaction_details", type=varchar(16))
    manifest, _ = platform.sync(narrow)
    assert manifest is not None
    assert manifest.kind == "snapshot"
    assert_all_equal(platform, narrow)


def test_what_redshift_refuses_to_widen_in_place_goes_through_a_shadow_table(platform: Platform) -> None:
    """Here a column with a default, which somebody gave the mirror by hand."""
    platform.move(3)
    platform.sync(BANK)
    platform.execute("ALTER TABLE bank.transactions DROP COLUMN transaction_details")
    platform.execute("ALTER TABLE bank.transactions ADD COLUMN transaction_details VARCHAR(1024) DEFAULT 'TRF'")
    wider = _changed(BANK, "transaction_details", type=varchar(2048))
    platform.sync(wider)
    assert platform.query("SELECT transaction_details, COUNT(*) FROM bank.transactions GROUP BY 1") == [("TRF", 3)]
    assert_all_equal(platform, wider)


def test_a_wider_key_goes_through_a_shadow_table(platform: Platform) -> None:
    platform.move(3)
    keyed = replace(BANK, key=("transaction_no", "account_no"))
    platform.sync(keyed)
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="part of a key"):
        platform.execute("ALTER TABLE bank.transactions ALTER COLUMN account_no TYPE VARCHAR(64)")
    wider = _changed(keyed, "account_no", type=varchar(64))
    platform.sync(wider)
    assert_all_equal(platform, wider)
