"""A local AWS of a test's own, and what its S3 says when it refuses; the tests of it are elsewhere."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.conftest import ANY_PORTS
from stori_pipeline_tests.shipped import LOCAL

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Local:
    """A local AWS of the test's own, which it may kill."""

    def __init__(self, home: Path) -> None:
        self.stack = Stack(home, LOCAL, durable=False)
        self.start()
        addresses = self.stack.client_environ()
        self.s3: S3Client = boto3.client(
            "s3",
            endpoint_url=addresses["AWS_ENDPOINT_URL"],
            aws_access_key_id=addresses["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=addresses["AWS_SECRET_ACCESS_KEY"],
            region_name=addresses["AWS_DEFAULT_REGION"],
            config=Config(max_pool_connections=32, retries={"total_max_attempts": 1}),
        )

    @property
    def port(self) -> int:
        return int(self.stack.client_environ()["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])

    def start(self) -> None:
        self.stack.up(only=["aws"], ports=ANY_PORTS)

    def kill(self) -> None:
        """As the power switch of the process."""
        pid = next(server.pid for server in self.stack.status() if server.name == "aws")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        self.kill()
        self.start()

    @property
    def folder(self) -> Path:
        return self.stack.home / "aws" / "s3"

    def body(self, bucket: str, key: str) -> bytes:
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]


def refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]
