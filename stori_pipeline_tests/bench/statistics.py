"""Summaries of measured values. Pure functions. Does not belong here: measuring, and what is printed."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share (0 to 1) of the values does not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there are no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def latencies(seconds: Sequence[float], missing: int) -> dict[str, float | int | None]:
    """The summary of how long changes took. A missing change took longer than any other, so a percentile that it reaches is None."""
    values = [*seconds, *[math.inf] * missing]
    summary: dict[str, float | int | None] = {"changes": len(values), "missing": missing}
    for name, share in (("p50_s", 0.5), ("p95_s", 0.95), ("max_s", 1.0)):
        found = percentile(values, share) if values else math.inf
        summary[name] = round(found, 2) if math.isfinite(found) else None
    return summary
