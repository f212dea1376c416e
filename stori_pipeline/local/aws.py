"""The local stack's AWS: a moto server.

Belongs here: how that program is started. Does not belong here: the program (`aws_server`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from stori_pipeline.local import probe
from stori_pipeline.local.program import Program

# One that needs no LocationConstraint when a bucket is made.
REGION = "us-east-1"
ACCOUNT = "123456789012"


class Aws(Program):
    """S3 and the other services at one address; what is in S3 survives.

    Args:
        buckets, queues: are there once it is up. Each queue has a dead-letter queue of its own.
        topics: of SNS, each with the queue that its messages go to.
        durable: whether an acknowledged object survives the end of the whole machine, and not only of the process.
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
        """What a client's environment holds to reach it. The server checks no credentials; its clients insist on having some."""
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
