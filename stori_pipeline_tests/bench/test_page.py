"""The page of figures: it shows what the landed files hold."""

from __future__ import annotations

import json

import pytest

from stori_pipeline_tests.bench import page
from stori_pipeline_tests.readme import ROOT


def test_the_page_shows_the_landed_figures() -> None:
    assert page.PAGE.read_text() == page.text(), "run `python -m stori_pipeline_tests.bench page`"


def test_ci_has_small_figures_to_compare_with() -> None:
    small, large = (json.loads((ROOT / "docs" / name).read_text()) for name in ("bench-small.json", "bench.json"))
    assert small["rows"] < large["rows"]
    assert small["extract_full"]["cpu_ratio"] > 1


def test_lines_replace_what_is_between_the_markers() -> None:
    before = "a\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nb\n"
    after = page.filled(before, "bench", ["| new |"])
    assert after == "a\n<!-- bench: begin -->\n\n| new |\n\n<!-- bench: end -->\nb\n"
    assert page.filled(after, "bench", ["| new |"]) == after
    with pytest.raises(ValueError, match="lacks the markers of 'latency'"):
        page.filled(before, "latency", [])
