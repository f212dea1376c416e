"""The summaries of measured values."""

from __future__ import annotations

import pytest

from stori_pipeline_tests.bench.statistics import latencies, percentile


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(60, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile(values, 1.0)) == (30.0, 57.0, 60.0)
    assert percentile([7.0], 0.5) == percentile([7.0], 0.0) == 7.0
    with pytest.raises(ValueError, match="there are no values"):
        percentile([], 0.5)


def test_a_change_that_never_arrived_is_the_slowest() -> None:
    assert latencies([1.0] * 19, 1) == {"changes": 20, "missing": 1, "p50_s": 1.0, "p95_s": 1.0, "max_s": None}
    assert latencies([1.0] * 18, 2) == {"changes": 20, "missing": 2, "p50_s": 1.0, "p95_s": None, "max_s": None}
    assert latencies([], 0) == {"changes": 0, "missing": 0, "p50_s": None, "p95_s": None, "max_s": None}
