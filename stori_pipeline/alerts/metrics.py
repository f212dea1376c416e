"""CloudWatch metrics of each table: names, dimensions, units, and the request that sends them.

Belongs here: the metrics and sending them. Does not belong here: when they are sent, and where their values come from
(`runtime.alerts`). Namespace `stori_pipeline`, dimension `Table` (full name).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from stori_pipeline.settings import Settings

NAMESPACE = "stori_pipeline"
MAX_PER_REQUEST = 1_000
"""CloudWatch accepts at most this many metrics in one request."""

Name = Literal["LagSeconds", "RowsInQuarantine", "RowsLanded", "RowsLoaded", "RowsRejected", "RunSeconds"]
"""`LagSeconds`: how far the mirror may be behind its source (`runtime.lag`). The alerts' sensor sends it each time it runs, and so it grows
while nobody looks at the source.

`RowsInQuarantine`: how many rejected rows are open after a run; `RowsRejected` are those of the run alone.

`RowsLanded`, `RowsLoaded`, `RowsRejected`, `RunSeconds`: of one run, sent when it ends. `RunSeconds` is the time of landing and loading."""


class MetricsError(RuntimeError):
    """CloudWatch did not accept metrics. The message names the error code, and no address."""


@dataclass(frozen=True)
class Metric:
    """One value; `at` is in seconds since 1970."""

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


def metrics_enabled(settings: Settings) -> bool:
    """Whether the setting `STORI_METRICS` is 1."""
    return settings.environ.get("STORI_METRICS", "") == "1"


def send_metrics(metrics: Sequence[Metric]) -> None:
    """Send all metrics in as few requests as possible.

    Raises:
        MetricsError: CloudWatch did not accept some or all of them.
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
        raise MetricsError(f"CloudWatch refused metrics: {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise MetricsError(f"CloudWatch cannot be reached: {type(error).__name__}") from error


def _batches(metrics: Sequence[Metric]) -> Iterable[Sequence[Metric]]:
    return (metrics[begin : begin + MAX_PER_REQUEST] for begin in range(0, len(metrics), MAX_PER_REQUEST))
