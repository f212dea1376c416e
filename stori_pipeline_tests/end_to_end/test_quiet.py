"""Nothing to do, or nothing yet: what must not leave a trace."""

from __future__ import annotations

from stori_pipeline.local.samples.seed import seed
from stori_pipeline_tests.end_to_end.pipeline import BANK, EXCHANGE, NAMES, Pipeline

TABLES = (BANK, EXCHANGE)


def _traces(pipeline: Pipeline) -> dict[str, object]:
    return {table.full_name: (pipeline.objects(table), pipeline.ledger(table)) for table in TABLES}


def test_a_sync_with_nothing_new_lands_nothing_and_says_so(pipeline: Pipeline) -> None:
    pipeline.move(20)
    pipeline.trade(0, 10)
    for table in TABLES:
        pipeline.sync(table)
    before = _traces(pipeline)

    as_json = pipeline.stori("sync", "--json", *NAMES).expect(0)
    as_text = pipeline.stori("sync", *NAMES).expect(0)

    assert [(r["batch"], r["kind"], r["rows_landed"], r["rows_loaded"]) for r in as_json.json] == [(None, None, 0, 0)] * 2
    assert "Nothing new" in as_text.said
    assert _traces(pipeline) == before


def test_a_second_seed_inserts_nothing_and_a_sync_after_it_lands_nothing(pipeline: Pipeline) -> None:
    told = {name: value for name, value in pipeline.environ.items() if name != "STORI_SOURCE_DROPS"}  # its bucket is every test's
    first = seed(told, pipeline.folder / "data", rows=400, trades=550)
    assert first.inserted == {BANK.full_name: 400, EXCHANGE.full_name: 550}
    for table in TABLES:
        pipeline.sync(table)
        pipeline.assert_equal(table)
    before = _traces(pipeline)

    again = seed(told, pipeline.folder / "data", rows=400, trades=550, again=True)

    assert again.inserted == {BANK.full_name: 0, EXCHANGE.full_name: 0}
    for table in TABLES:
        assert pipeline.sync(table) == (None, None)
    assert _traces(pipeline) == before


def test_a_table_with_zero_rows_has_an_empty_mirror_and_then_its_first_row(pipeline: Pipeline) -> None:
    pipeline.stori("sync", "--json", *NAMES).expect(0)
    for table in TABLES:
        assert pipeline.query(f"SELECT COUNT(*) FROM {table.full_name}") == [(0,)]
        pipeline.assert_equal(table)
        assert pipeline.sync(table) == (None, None)

    pipeline.move(1)
    pipeline.trade(0)
    for table in TABLES:
        manifest, loaded = pipeline.sync(table)
        assert manifest is not None
        assert loaded is not None
        assert (manifest.kind, manifest.rows, loaded.rows_inserted) == ("changes", 1, 1)
        pipeline.assert_equal(table)

    pipeline.exchange.database["trades"].delete_many({})
    pipeline.sync(EXCHANGE)
    pipeline.assert_equal(EXCHANGE)
    assert pipeline.query("SELECT COUNT(*) FROM exchange.trades") == [(0,)]
