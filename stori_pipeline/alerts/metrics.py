"""What CloudWatch is told of each table.

Belongs here: the metrics' names, dimensions and units, and sending them. Does not belong here: when, or what they are taken from
(`defs.alerts`).

Namespace `stori_pipeline`, dimension `Table` (full name):

- `LagSeconds`: how far the mirror is behind its source: now, less the time as of which the newest load has the source. Of a quiet
  table that is the time of the last run that found nothing new, so that silence of the source is not lag. It is sent at every look,
  and so grows while nothing is loaded.
- `RowsLanded`, `RowsLoaded`, `RowsRejected`, `RunSeconds`: of one run, at its end. `RunSeconds` are those of landing and loading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from stori_pipeline.settings import Settings

NAMESPACE = "stori_pipeline"
AT_ONCE = 1_000
"""Metrics in one request, the most that CloudWatch takes."""

Name = Literal["LagSeconds", "RowsLanded", "RowsLoaded", "RowsRejected", "RunSeconds"]


class MetricsUnsent(RuntimeError):
    """CloudWatch did not take metrics."""


@dataclass(frozen=True)
class Metric:
    """One value; `at` in seconds since 1970."""

    name: Name
    table: str
    at: float
    value: float

    def as_datum(self) -> dict[str, Any]:
        """As `PutMetricData` takes it."""
        return {
            "MetricName": self.name,
            "Dimensions": [{"Name": "Table", "Value": self.table}],
            "Timestamp": datetime.fromtimestamp(self.at, timezone.utc),
            "Value": self.value,
            "Unit": "Seconds" if self.name.endswith("Seconds") else "Count",
        }


def switched_on(settings: Settings) -> bool:
    """`STORI_METRICS=1`."""
    return settings.environ.get("STORI_METRICS", "") == "1"


def send(metrics: Sequence[Metric]) -> None:
    """Send them all, in as few requests as there can be.

    Raises:
        MetricsUnsent: some or all were not taken.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})
    try:
        client = boto3.client("cloudwatch", config=config)
        for batch in _batches(metrics):
            client.put_metric_data(Namespace=NAMESPACE, MetricData=[metric.as_datum() for metric in batch])
    except ClientError as error:
        raise MetricsUnsent(f"CloudWatch refused metrics: {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise MetricsUnsent(f"CloudWatch cannot be reached: {type(error).__name__}") from error


def _batches(metrics: Sequence[Metric]) -> Iterable[Sequence[Metric]]:
    return (metrics[begin : begin + AT_ONCE] for begin in range(0, len(metrics), AT_ONCE))
