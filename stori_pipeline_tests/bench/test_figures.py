"""The figures: what counts, medians, ratios, and what is said of two files of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from stori_pipeline_tests.bench.compare import compared, text
from stori_pipeline_tests.bench.figures import FIGURES, KEYS, Figure, figure_values, growth, ratio
from stori_pipeline_tests.bench.measure import Measured
from stori_pipeline_tests.bench.report import figure_rows, markdown, memory_columns, memory_rows, peer_rows

EXTRACT = FIGURES[0]


def _run(seconds: float, client: float, sources: float, megabytes: float = 100.0) -> Measured:
    return Measured(seconds, megabytes, {"client": client, "sources": sources, "aws": 9.0, "rates": 0.0}, "")


def _values(figure: Figure = EXTRACT, rows: int | None = 1_000) -> dict[str, Any]:
    own = [_run(3.0, 1.0, 1.0), _run(30.0, 1.2, 0.8, 120.4), _run(4.0, 2.0, 2.0)]
    raw = [_run(2.0, 0.5, 0.5), _run(10.0, 0.5, 0.5), _run(2.0, 1.0, 1.0)]
    return figure_values(figure, own, raw if figure.raw else [], rows)


def test_every_figure_of_the_issue_has_a_key() -> None:
    assert KEYS[:5] == ("extract_full", "extract_1pct", "load_full", "load_1pct", "nothing_new")
    assert KEYS[5:] == ("quiet_sync", "one_table_sync", "history_change", "verify_source", "verify_mirror")


def test_a_figure_has_medians_and_the_median_of_each_rounds_ratio() -> None:
    values = _values()
    assert (values["wall_s"], values["raw_wall_s"], values["wall_ratio"]) == (4.0, 2.0, 2.0)
    assert (values["cpu_s"], values["raw_cpu_s"], values["cpu_ratio"]) == (2.0, 1.0, 2.0)  # client and sources, and not S3
    assert (values["peak_mb"], values["rows"], values["rows_per_cpu_s"]) == (120, 1_000, 500)
    assert values["cpu_of"] == ["client", "sources"]
    assert values["cpu_parts_s"] == {"client": 1.2, "sources": 1.0, "aws": 9.0}


def test_a_small_figure_also_has_the_limit_without_any_import() -> None:
    values = figure_values(EXTRACT, [_run(3.0, 1.0, 1.0)], [_run(2.0, 0.5, 0.5)], None, [_run(1.0, 0.25, 0.5)])
    assert (values["bare_wall_s"], values["bare_cpu_s"], values["cpu_ratio"]) == (1.0, 0.75, 2.0)


def test_a_figure_without_a_raw_limit_has_no_ratio() -> None:
    (quiet,) = [figure for figure in FIGURES if figure.key == "quiet_sync"]
    values = _values(quiet, rows=None)
    assert not [name for name in values if "ratio" in name or "raw" in name or "rows" in name]


def test_a_limit_that_is_too_small_to_measure_gives_no_ratio() -> None:
    assert ratio([1.0, 1.0], [0.0, 1.0]) is None
    assert ratio([], []) is None


def test_memory_is_flat_where_the_larger_table_needs_no_more() -> None:
    found = growth((2, 8), {"land": (100.0, 104.0), "load": (50.4, 50.4)})
    assert found == {"rows": [2, 8], "land_mb": [100, 104], "land_growth": 1.04, "load_mb": [50, 50], "load_growth": 1.0}


def _result(cpu_ratio: float, rows: int = 2_000) -> dict[str, Any]:
    return {
        "rows": rows,
        "date": "2026-11-29T12:00:00+00:00",
        "extract_full": _values() | {"cpu_ratio": cpu_ratio},
        "quiet_sync": {"wall_s": 1.0},
    }


@pytest.mark.parametrize(("after", "worse"), [(1.0, False), (2.39, False), (2.4, True), (9.0, True)])
def test_a_ratio_is_worse_when_it_grew_by_a_fifth(after: float, worse: bool) -> None:
    found = compared(_result(2.0), _result(after))
    assert [(each.title, each.is_worse) for each in found] == [(EXTRACT.title, worse)]
    said = text(found, _result(2.0))
    assert ("Worse by a fifth or more: full extract" in said, "| landed 2026-11-29 |" in said) == (worse, True)


def test_files_of_tables_of_different_sizes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="2,000 rows, the other 5"):
        compared(_result(2.0), _result(2.0, rows=5))


def test_the_report_has_a_row_for_each_figure_that_was_measured() -> None:
    (row,) = figure_rows({"extract_full": _values()})
    assert row[:4] == [EXTRACT.title, "4.00", "2.00", EXTRACT.against]
    assert row[4:] == ["2.00", "1.00", "2.00", "2.00", "120", "500"]
    memory = {"memory": growth((2, 8), dict.fromkeys(("land", "load", "redshift"), (1.0, 2.0)))}
    assert memory_rows(memory)[0] == ["extract", "1", "2", "2.00"]
    assert memory_rows({}) == peer_rows({}) == []
    assert markdown(memory_columns(memory), []) == ["| step | 2 rows, MB | 8 rows, MB | ratio |", "| --- | ---: | ---: | ---: |"]


def test_the_report_sets_peers_beside_us() -> None:
    peer = {"wall_s": 9.0, "wall_ratio": 4.5, "client_cpu_ratio": 8.0}
    keys = ("extract_full", "extract_1pct", "nothing_new")
    ours, theirs = peer_rows({"extract_full": _values(), "peers": {"dlt": {"version": "1.2"} | dict.fromkeys(keys, peer)}})
    assert ours[0] == "stori_pipeline"
    assert re.fullmatch(r"4\.00 \(2\.0 / 2\.4\)", ours[1])
    assert (ours[2:], theirs) == (["-", "-"], ["dlt 1.2", *["9.00 (4.5 / 8.0)"] * 3])
