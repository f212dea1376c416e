"""Sample files that lie in S3: copied to a folder for an import, and the rejected lines copied back.

Belongs here: `s3://bucket/folder` as a folder of sample files, and S3 as the settings name it. Does not belong here: reading the files
(`bank_import`, `exchange_import`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stori_pipeline.local.samples.report import SampleError, rejects_path

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def s3_client(environ: Mapping[str, str]) -> S3Client:
    """A client of the S3 that the settings name."""
    import boto3  # a heavy import

    client: S3Client = boto3.session.Session().client(
        "s3",
        endpoint_url=environ.get("AWS_ENDPOINT_URL"),
        aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
        region_name=environ.get("AWS_DEFAULT_REGION"),
    )
    return client


@contextmanager
def as_folder(environ: Mapping[str, str], data: str | Path, names: Sequence[str]) -> Iterator[Path]:
    """The folder `data`; of an address `s3://bucket/folder`, a copy of these files of it. Their rejected lines are copied back.

    Raises:
        SampleError: S3 does not have a file, or does not answer.
    """
    place = urlsplit(str(data).rstrip("/") + "/")
    if place.scheme != "s3":
        yield Path(data)
        return
    s3, bucket, prefix = s3_client(environ), place.netloc, place.path.lstrip("/")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in names]
        for file in files:
            with _errors(f"s3://{bucket}/{prefix}{file.name} cannot be read", "nothing was imported"):
                s3.download_file(bucket, prefix + file.name, str(file))
        yield Path(folder)
        for rejects in map(rejects_path, files):
            with _errors(f"s3://{bucket}/{prefix}{rejects.name}, the rejected lines, cannot be written", "the other lines were imported"):
                if rejects.exists():
                    s3.upload_file(str(rejects), bucket, prefix + rejects.name)
                else:
                    s3.delete_object(Bucket=bucket, Key=prefix + rejects.name)


@contextmanager
def _errors(what: str, outcome: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise SampleError(f"{what}: {error}; {outcome}") from error
