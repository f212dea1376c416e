"""What `make bench` prints, and the same as a table for the documentation. Pure but for printing.

Belongs here: titles, columns and their order. Does not belong here: the values (`figures`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from stori_pipeline_tests.bench.figures import FIGURES

COLUMNS = ("step", "wall s", "CPU s", "raw limit", "its wall s", "its CPU s", "wall ratio", "CPU ratio", "peak MB", "rows per CPU s")
_LEFT = ("step", "raw limit", "tool", "table")
_OURS = "stori_pipeline"


def _number(value: float | None, digits: int = 2) -> str:
    if value is None:
        return "-"
    return f"{value:,.{digits}f}"


def figure_rows(result: Mapping[str, Any]) -> list[list[str]]:
    """A row of texts for each figure that the result has; see `COLUMNS`."""
    rows = []
    for figure in FIGURES:
        if (of := result.get(figure.key)) is None:
            continue
        own, raw = (of["wall_s"], of["cpu_s"]), (of.get("raw_wall_s"), of.get("raw_cpu_s"))
        ratios = [_number(of.get(name)) for name in ("wall_ratio", "cpu_ratio")]
        end = [_number(of["peak_mb"], 0), _number(of.get("rows_per_cpu_s"), 0)]
        rows.append([figure.title, *map(_number, own), figure.against or "-", *map(_number, raw), *ratios, *end])
    return rows


def memory_rows(result: Mapping[str, Any]) -> list[list[str]]:
    """The peak memory of each part with the small and the large table, and how much it grew."""
    if (memory := result.get("memory")) is None:
        return []
    titles = {"land": "extract", "load": "load", "redshift": "the local Redshift"}
    return [[title, *(_number(each, 0) for each in memory[f"{n}_mb"]), _number(memory[f"{n}_growth"])] for n, title in titles.items()]


def peer_rows(result: Mapping[str, Any]) -> list[list[str]]:
    """A row for our extract and for each peer's: wall seconds and the ratios of wall time and of the client's processor time."""
    if (peers := result.get("peers")) is None:
        return []
    keys, rows = ("extract_full", "extract_1pct", "nothing_new"), []
    tools = {f"{name} {of['version']}": {key: of[key] for key in keys} for name, of in peers.items()}
    ours = {key: dict(result[key]) for key in keys if key in result}
    for of in ours.values():
        client, limit = of["cpu_parts_s"].get("client"), of["raw_cpu_parts_s"].get("client")
        of["client_cpu_ratio"] = client / limit if client and limit else None
    for tool, figures in ({_OURS: ours} | tools).items():
        cells = [
            f"{_number(figures[key]['wall_s'])} ({_number(figures[key]['wall_ratio'], 1)} / {_number(figures[key]['client_cpu_ratio'], 1)})"
            if key in figures
            else "-"
            for key in keys
        ]
        rows.append([tool, *cells])
    return rows


PEER_COLUMNS = ("tool", "full", "1 %", "nothing new")


def memory_columns(result: Mapping[str, Any]) -> tuple[str, ...]:
    small, large = result["memory"]["rows"]
    return ("step", f"{small:,} rows, MB", f"{large:,} rows, MB", "ratio")


def show(result: Mapping[str, Any], out: Console) -> None:
    """Print every table that the result has values for."""
    _print(
        out, f"{result['rows']:,} rows, medians of {result['repeats']} interleaved rounds, whole processes", COLUMNS, figure_rows(result)
    )
    if rows := memory_rows(result):
        _print(out, "Peak memory", memory_columns(result), rows)
    if rows := peer_rows(result):
        _print(out, "Extract to S3 Parquet: seconds (÷ raw: wall / the client's CPU)", PEER_COLUMNS, rows)


def _print(out: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    grid = Grid(title=title, title_justify="left")
    for name in columns:
        grid.add_column(name, justify="left" if name in _LEFT else "right")
    for row in rows:
        grid.add_row(*row)
    out.print(grid)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of the documentation."""
    marks = ["---" if name in _LEFT else "---:" for name in columns]
    return [f"| {' | '.join(cells)} |" for cells in (columns, marks, *rows)]
