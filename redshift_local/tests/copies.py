"""COPY as tests run it, and the objects that it reads.

Belongs here: what more than one module about COPY uses. Does not belong here: fixtures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg2
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Put = Callable[..., str]
ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/copy'"


def copied(connection: Connection, url: str, *, into: str = "t", options: str = "") -> str:
    """Run this COPY; its command tag. Options after a bar stand before those in front of it."""
    with connection.cursor() as cursor:
        before, after = (f" {part}" if part else "" for part in (options.partition("|")[0], options.partition("|")[2]))
        cursor.execute(f"COPY {into} FROM '{url}' {ROLE} FORMAT AS PARQUET{after}{before}")
        return str(cursor.statusmessage)


def refused(connection: Connection, url: str, **options: Any) -> psycopg2.Error:
    """The error of this COPY."""
    with pytest.raises(psycopg2.Error) as caught:
        copied(connection, url, **options)
    return caught.value


def entry(s3: S3Client, url: str, **more: Any) -> dict[str, Any]:
    """A manifest's entry for the object."""
    bucket, key = url.removeprefix("s3://").split("/", 1)
    size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    return {"url": url, "mandatory": True, "meta": {"content_length": size}} | more


def ints(*values: int | None) -> pa.Table:
    return pa.table({"a": pa.array(values, pa.int64())})


def detail(error: psycopg2.Error) -> str:
    return str(error.diag.message_detail)
