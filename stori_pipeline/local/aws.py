"""The local stack's AWS: a moto server.

Belongs here: starting it. Does not belong here: the program (`aws_server`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from stori_pipeline.local import probe
from stori_pipeline.local.program import Program

# In this region a bucket is created without a LocationConstraint.
REGION = "us-east-1"
ACCOUNT = "123456789012"


class Aws(Program):
    """S3 and the other services at one address. The objects in S3 survive a restart.

    Args:
        buckets, queues: names; the server creates them. Each queue has its own dead-letter queue.
        topics: SNS topic to the queue that receives its messages.
        durable: whether an acknowledged object survives a crash of the machine, and not only of the process.
    """

    name = "aws"
    preferred_port = 4567

    def __init__(
        self,
        home: Path,
        buckets: Sequence[str],
        queues: Sequence[str] = (),
        topics: Mapping[str, str] = MappingProxyType({}),
        *,
        durable: bool,
    ) -> None:
        super().__init__(home)
        self._buckets = buckets
        self._queues = queues
        self._topics = topics
        self._durable = durable

    def address(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def client_environ(self, port: int) -> dict[str, str]:
        """The environment variables of a client. The server checks no credentials, but clients require some."""
        return {
            "AWS_ENDPOINT_URL": self.address(port),
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
        }

    def queue_url(self, port: int, name: str) -> str:
        return f"{self.address(port)}/{ACCOUNT}/{name}"

    def topic_arn(self, name: str) -> str:
        return f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def command(self, port: int) -> list[str]:
        arguments = ["--host", "127.0.0.1", "--port", str(port), "--data", str(self.data), *(() if self._durable else ("--no-sync",))]
        for bucket in self._buckets:
            arguments += ["--bucket", bucket]
        for queue in self._queues:
            arguments += ["--queue", queue]
        for topic, queue in self._topics.items():
            arguments += ["--topic", topic, queue]
        return [sys.executable, "-m", "stori_pipeline.local.aws_server", *arguments]

    def answers(self, port: int) -> bool:
        return probe.http(port)
