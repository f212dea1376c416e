"""The figures of `bench.json`, from the measured runs of each step and of its raw limit. Pure functions.

Belongs here: which processor time counts for which figure, medians and ratios. Does not belong here: measuring (`rounds`), and comparing
two files (`compare`).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stori_pipeline_tests.bench.measure import CLIENT, Measured

_SOURCE = (CLIENT, "sources")
_WAREHOUSE = (CLIENT, "redshift", "platform")
_EVERYTHING = (CLIENT, "sources", "mongo", "aws", "rates", "redshift", "platform")


@dataclass(frozen=True)
class Figure:
    """A figure: the name of its step, of the step that is its raw limit ("" for none), and whose processor time counts.

    The stand-in for S3 never counts where there is a raw limit; its time is in the file beside the others'.
    """

    key: str
    title: str
    step: str
    raw: str
    against: str
    counts: tuple[str, ...]


FIGURES = (
    Figure("extract_full", "full extract to S3 Parquet", "land", "raw out", "COPY to stdout, binary", _SOURCE),
    Figure("extract_1pct", "1 % extract to S3 Parquet", "land 1 %", "raw out 1 %", "COPY of those rows", (CLIENT,)),
    Figure("load_full", "full load into the warehouse", "load", "raw load", "COPY from binary, equal table", _WAREHOUSE),
    Figure("load_1pct", "1 % load (merge)", "load 1 %", "raw merge 1 %", "COPY from binary, delete, insert", _WAREHOUSE),
    Figure("nothing_new", "nothing new, one table", "land nothing", "raw out nothing", "COPY of no rows", (CLIENT,)),
    Figure("quiet_sync", "stori sync of everything, nothing new", "quiet sync", "", "", _EVERYTHING),
    Figure("one_table_sync", "stori sync of one table, one changed row", "one table sync", "", "", _EVERYTHING),
    Figure("history_change", "one change in a history", "history", "", "", (CLIENT,)),
    Figure("verify_source", "proof of all rows, at the source", "verify source", "raw out", "COPY to stdout, binary", _SOURCE),
    Figure("verify_mirror", "proof of all rows, at the warehouse", "verify mirror", "raw mirror", "COPY of the mirror, binary", _WAREHOUSE),
)
KEYS = tuple(figure.key for figure in FIGURES)


def figure_values(
    figure: Figure, own: Sequence[Measured], raw: Sequence[Measured], rows: int | None, bare: Sequence[Measured] = ()
) -> dict[str, Any]:
    """The values of one figure: medians of the rounds. A ratio is the median of the ratios of the rounds, each with its own raw limit.

    Args:
        raw: one for each of `own`, of the same round; empty if the figure has no raw limit.
        rows: how many rows a step moves or compares; None if it does not.
        bare: the raw limit in processes that have not even imported the table's definition; for small steps, where that is most of it.
    """
    cpu = [each.cpu_of(figure.counts) for each in own]
    values: dict[str, Any] = {
        "wall_s": _median([each.seconds for each in own]),
        "cpu_s": _median(cpu),
        "peak_mb": round(max(each.megabytes for each in own)),
    }
    if raw:
        raw_cpu = [each.cpu_of(figure.counts) for each in raw]
        values |= {
            "raw_wall_s": _median([each.seconds for each in raw]),
            "raw_cpu_s": _median(raw_cpu),
            "wall_ratio": ratio([each.seconds for each in own], [each.seconds for each in raw]),
            "cpu_ratio": ratio(cpu, raw_cpu),
        }
    if bare:
        values |= {
            "bare_wall_s": _median([each.seconds for each in bare]),
            "bare_cpu_s": _median([each.cpu_of(figure.counts) for each in bare]),
        }
    if rows:
        values |= {"rows": rows, "rows_per_cpu_s": round(rows / max(statistics.median(cpu), 0.001))}
    counted = {"cpu_of": list(figure.counts), "cpu_parts_s": parts(own)}
    return values | counted | ({"raw_cpu_parts_s": parts(raw)} if raw else {})


def ratio(own: Sequence[float], raw: Sequence[float]) -> float | None:
    """The median of the ratios of the rounds; None if a raw limit was too small to be measured."""
    if not own or min(raw) <= 0:
        return None
    return round(statistics.median(mine / theirs for mine, theirs in zip(own, raw, strict=True)), 3)


def parts(measured: Sequence[Measured]) -> dict[str, float]:
    """The medians of the processor seconds, by what used them. What used nothing is left out."""
    names = dict.fromkeys(name for each in measured for name in each.cpu)
    found = {name: _median([each.cpu.get(name, 0.0) for each in measured]) for name in names}
    return {name: seconds for name, seconds in found.items() if seconds}


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 4)


def growth(rows: Sequence[int], megabytes: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Peak memory at each number of rows, and how much larger the last is than the first: 1.0 is flat."""
    found: dict[str, Any] = {"rows": list(rows)}
    for name, values in megabytes.items():
        found[f"{name}_mb"] = [round(value) for value in values]
        found[f"{name}_growth"] = round(values[-1] / values[0], 3)
    return found
