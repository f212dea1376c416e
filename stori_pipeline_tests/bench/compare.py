"""Which ratios of processor time got worse between two files of figures. CI shows it beside a change; it fails nothing.

Belongs here: the comparison, and its text for a reader. Does not belong here: measuring. Only ratios to the raw limit of the same run are
compared, because they say the same on two machines.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stori_pipeline_tests.bench.figures import FIGURES
from stori_pipeline_tests.bench.report import markdown

WORSE = 1.2
"""A ratio that grew to this share of the old one got worse: less is noise."""


@dataclass(frozen=True)
class Compared:
    """A figure's ratio of processor time in both files."""

    title: str
    old: float
    new: float

    @property
    def change(self) -> float:
        return self.new / self.old

    @property
    def is_worse(self) -> bool:
        return self.change >= WORSE


def compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Compared]:
    """The figures that both files have a ratio of.

    Raises:
        ValueError: they measured tables of different sizes, so that start-up has another share.
    """
    if old["rows"] != new["rows"]:
        raise ValueError(f"the one measured {old['rows']:,} rows, the other {new['rows']:,}: their ratios cannot be compared")
    ratios = [(figure.title, *(of.get(figure.key, {}).get("cpu_ratio") for of in (old, new))) for figure in FIGURES]
    return [Compared(title, before, after) for title, before, after in ratios if before and after]


def text(found: list[Compared], old: Mapping[str, Any]) -> str:
    """The comparison as Markdown."""
    worse = [each for each in found if each.is_worse]
    head = (
        f"**Worse by a fifth or more: {', '.join(each.title for each in worse)}**"
        if worse
        else "No ratio of processor time got worse by a fifth."
    )
    rows = [
        [each.title, f"{each.old:.2f}", f"{each.new:.2f}", f"{each.change - 1:+.0%}{' (!)' if each.is_worse else ''}"] for each in found
    ]
    return "\n".join(
        [
            "## Processor time ÷ raw COPY of the same run",
            "",
            head,
            "",
            *markdown(("step", f"landed {old['date'][:10]}", "this run", "change"), rows),
            "",
            "Runs on shared machines differ by some ten percent. This comparison fails nothing.",
        ]
    )


def run(asked: argparse.Namespace) -> None:
    """Print the comparison."""
    old, new = (json.loads(path.read_text()) for path in (asked.old, asked.new))
    try:
        sys.stdout.write(text(compared(old, new), old) + "\n")
    except ValueError as error:
        sys.stdout.write(f"{error}\n")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", type=Path, help="the landed file of figures")
    parser.add_argument("new", type=Path, help="the file of this run")
