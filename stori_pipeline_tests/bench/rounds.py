"""`make bench`: what the pipeline costs, each step against the raw limit of the same round.

Belongs here: the options, the order of the steps, and the files and tables that they need. Does not belong here: what a step does (`step`,
`raw`), and the figures (`figures`). Raw and own steps alternate, because the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from stori_pipeline_tests.bench import usage
from stori_pipeline_tests.bench.figures import FIGURES, KEYS, figure_values, growth
from stori_pipeline_tests.bench.folder import project_folder
from stori_pipeline_tests.bench.peers import PEERS, Peers
from stori_pipeline_tests.bench.report import show
from stori_pipeline_tests.bench.works import Works

out = Console(width=120, highlight=False)

_TABLE_KEYS = {"extract_full", "extract_1pct", "load_full", "load_1pct", "nothing_new", "verify_source", "verify_mirror"}
_MEMORY = "memory"
_SMALL = 200_000
"""Rows with `--small`, as CI measures them. Ratios of two sizes cannot be compared."""
_LARGER = 4
"""How many times as many rows the larger table has whose memory is measured."""


def _one_round(works: Works, turn: int, wanted: set[str], peers: Peers | None) -> None:
    """Every step of the table once. Steps that a wanted figure needs run, too."""
    loads = wanted & {"load_full", "load_1pct", "verify_mirror"}
    changes = wanted & {"extract_1pct", "load_1pct"}
    works.wipe()
    works.raw("raw out", "source")
    if "verify_source" in wanted:
        works.step("verify source", "verify-source", works.rows)
    works.step("land", "land", works.rows)
    if peers:
        peers.full(turn)
    if loads:
        works.raw("raw load", "load", str(works.everything))
        works.step("load", "load", works.rows)
    if "verify_mirror" in wanted:
        works.raw("raw mirror", "mirror")
        works.step("verify mirror", "verify-mirror", works.rows)
    if changes or peers:
        changed = works.change(turn)
        works.raw("raw out 1 %", "source", str(works.some), f"no % 100 = {turn % 100}", bare="bare out 1 %")
        works.step("land 1 %", "land", changed)
        if peers:
            peers.changes(changed)
    if "load_1pct" in wanted:
        works.raw("raw merge 1 %", "merge", str(works.some))
        works.step("load 1 %", "load", changed)
    if "nothing_new" in wanted or peers:
        works.raw("raw out nothing", "source", "", "false", bare="bare out nothing")
        works.step("land nothing", "land", 0)
        if peers:
            peers.nothing()


def _memory(works: Works, redshift_before: float) -> dict[str, Any]:
    """Extract and load of a table that is four times as large, once: its peak memory beside that of the table of the rounds."""
    rows = works.rows
    before = {name: max(each.megabytes for each in works.found[name]) for name in ("land", "load")}
    works.fill(rows * _LARGER)
    works.wipe()
    for name in ("land", "load"):
        works.step(f"{name} larger", name, works.rows)
    megabytes = {name: (before[name], works.found[f"{name} larger"][0].megabytes) for name in before}
    return growth((rows, works.rows), megabytes | {"redshift": (redshift_before, works.redshift_peak())})


def _steps(works: Works, asked: argparse.Namespace, wanted: set[str], peers: Peers | None) -> dict[str, Any]:
    """All measurements. Returns what is not a figure."""
    more: dict[str, Any] = {}
    if wanted & _TABLE_KEYS or _MEMORY in wanted or peers:
        works.fill(asked.rows)
        for turn in range(asked.repeats):
            out.print(f"Round {turn + 1} of {asked.repeats}")
            _one_round(works, turn, wanted, peers)
        more["redshift_peak_mb"] = round(works.redshift_peak())
    if "history_change" in wanted:
        works.history(asked.versions, asked.repeats)
    if wanted & {"quiet_sync", "one_table_sync"}:
        works.seed(asked.bank_rows)
    if "quiet_sync" in wanted:
        works.quiet_sync(asked.repeats)
    if "one_table_sync" in wanted:
        works.one_table_sync(asked.repeats)
    if _MEMORY in wanted:
        more[_MEMORY] = _memory(works, works.redshift_peak())
    return more


def run(asked: argparse.Namespace) -> None:
    """Measure, print and write the file."""
    if asked.small:
        asked.rows, asked.only = _SMALL, [key for key in asked.only if key in _TABLE_KEYS]
    about = usage.surroundings()
    if warning := usage.busy_warning():
        out.print(f"[yellow]{warning}[/]")
    wanted = set(asked.only) | ({"extract_full", "load_full"} if _MEMORY in asked.only else set())
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with project_folder(out.print) as folder, Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("", total=None)

        def say(what: str) -> None:
            progress.update(task, description=what)
            if not out.is_terminal:  # such as a log of CI
                out.print(what)

        works = Works(folder, say)
        peers = Peers.install(works, asked.peers_folder, say) if asked.peers else None
        more = _steps(works, asked, wanted, peers)
    found = works.found
    figures: dict[str, Any] = {}
    for figure in FIGURES:
        if figure.key in wanted and figure.step in found:
            bare = found.get(figure.raw.replace("raw", "bare"), []) if figure.raw else []
            raw, rows = found.get(figure.raw, []), works.moved.get(figure.step)
            figures[figure.key] = figure_values(figure, found[figure.step], raw, rows, bare)
    result = about | {"rows": asked.rows, "versions_of_history": asked.versions, "repeats": asked.repeats} | figures | more
    if peers:
        result["peers"] = peers.figures()
    asked.output.write_text(json.dumps(result, indent=2) + "\n")
    show(result, out)
    out.print(f"Written to {asked.output}.")


def _keys(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in (*KEYS, _MEMORY)]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join((*KEYS, _MEMORY))}")
    return names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the table (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, whose median counts (default: %(default)s)")
    parser.add_argument("--versions", type=int, default=1_000_000, help="versions in the history (default: %(default)s)")
    parser.add_argument(
        "--bank-rows", type=int, default=116_201, help="rows of the bank for the syncs of the shipped project (default: %(default)s)"
    )
    parser.add_argument(
        "--only",
        type=_keys,
        default=[*KEYS, _MEMORY],
        metavar="KEYS",
        help=f"measure these, with commas between them: {', '.join((*KEYS, _MEMORY))} (default: all)",
    )
    parser.add_argument("--small", action="store_true", help=f"as CI: {_SMALL:,} rows, and only what has a raw limit")
    parser.add_argument("--peers", action="store_true", help=f"also measure {' and '.join(PEERS)}, which are installed first")
    parser.add_argument("--peers-folder", type=Path, default=Path(sys.prefix).parent / ".venv-peers", help="their environment")
    parser.add_argument("--output", type=Path, default=Path("bench.json"), help="the file of figures (default: %(default)s)")
