"""Helpers for tests of COPY: running it, and the objects that it reads.

Belongs here: what more than one test module about COPY uses. Does not belong here: fixtures.
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


def run_copy(connection: Connection, url: str, *, into: str = "t", options: str = "") -> str:
    """Run a COPY; returns its command tag. In `options`, the part before a bar is written after the part behind it."""
    with connection.cursor() as cursor:
        before, after = (f" {part}" if part else "" for part in (options.partition("|")[0], options.partition("|")[2]))
        cursor.execute(f"COPY {into} FROM '{url}' {ROLE} FORMAT AS PARQUET{after}{before}")
        return str(cursor.statusmessage)


def copy_error(connection: Connection, url: str, **options: Any) -> psycopg2.Error:
    """Run a COPY that must fail; returns its error."""
    with pytest.raises(psycopg2.Error) as caught:
        run_copy(connection, url, **options)
    return caught.value


def entry(s3: S3Client, url: str, **more: Any) -> dict[str, Any]:
    """The entry of a manifest for the object."""
    bucket, key = url.removeprefix("s3://").split("/", 1)
    size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    return {"url": url, "mandatory": True, "meta": {"content_length": size}} | more


def ints(*values: int | None) -> pa.Table:
    return pa.table({"a": pa.array(values, pa.int64())})


def detail(error: psycopg2.Error) -> str:
    return str(error.diag.message_detail)
