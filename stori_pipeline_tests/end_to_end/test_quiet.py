"""Syncs without changes or without rows: what must not leave a trace."""

from __future__ import annotations

from stori_pipeline.local.samples.seed import seed
from stori_pipeline_tests.platforms import BANK, EXCHANGE, NAMES, Platform

TABLES = (BANK, EXCHANGE)


def _traces(platform: Platform) -> dict[str, object]:
    return {table.full_name: (platform.objects(table), platform.ledger(table)) for table in TABLES}


def test_a_sync_with_nothing_new_lands_nothing_and_says_so(platform: Platform) -> None:
    platform.move(20)
    platform.trade(0, 10)
    for table in TABLES:
        platform.sync(table)
    before = _traces(platform)

    as_json = platform.stori("sync", "--json", *NAMES).expect(0)
    as_text = platform.stori("sync", *NAMES).expect(0)

    assert [(r["batch"], r["kind"], r["rows_landed"], r["rows_loaded"]) for r in as_json.json] == [(None, None, 0, 0)] * 2
    assert "Nothing new" in as_text.output
    assert _traces(platform) == before


def test_a_second_seed_inserts_nothing_and_a_sync_after_it_lands_nothing(platform: Platform) -> None:
    without_drops = {name: value for name, value in platform.environ.items() if name != "STORI_SOURCE_DROPS"}  # its bucket is every test's
    first = seed(without_drops, platform.folder / "data", rows=400, trades=550)
    assert first.inserted == {BANK.full_name: 400, EXCHANGE.full_name: 550}
    for table in TABLES:
        platform.sync(table)
        platform.assert_equal(table)
    before = _traces(platform)

    again = seed(without_drops, platform.folder / "data", rows=400, trades=550, again=True)

    assert again.inserted == {BANK.full_name: 0, EXCHANGE.full_name: 0}
    for table in TABLES:
        assert platform.sync(table) == (None, None)
    assert _traces(platform) == before


def test_a_table_with_zero_rows_has_an_empty_mirror_and_then_its_first_row(platform: Platform) -> None:
    platform.stori("sync", "--json", *NAMES).expect(0)
    for table in TABLES:
        assert platform.query(f"SELECT COUNT(*) FROM {table.full_name}") == [(0,)]
        platform.assert_equal(table)
        assert platform.sync(table) == (None, None)

    platform.move(1)
    platform.trade(0)
    for table in TABLES:
        manifest, loaded = platform.sync(table)
        assert manifest is not None
        assert loaded is not None
        assert (manifest.kind, manifest.rows, loaded.rows_inserted) == ("changes", 1, 1)
        platform.assert_equal(table)

    platform.trades.delete_many({})
    platform.sync(EXCHANGE)
    platform.assert_equal(EXCHANGE)
    assert platform.query("SELECT COUNT(*) FROM exchange.trades") == [(0,)]
