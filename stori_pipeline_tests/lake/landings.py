"""Landing batches of the table of `readings`, with their rows or as manifests alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.reading import Reading
from stori_pipeline_tests.readings import TABLE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def land(lake: Lake, reading: Reading, newest: Manifest | None = None, run: str = "run") -> Manifest:
    manifest = lake.land(TABLE, reading, newest=newest or lake.newest(TABLE), run_id=run)
    assert manifest is not None
    return manifest


def write_manifests(s3: S3Client, bucket: str, template: Manifest, batches: range) -> None:
    """Writes the manifests of many batches, without landing the batches."""

    def write(batch: int) -> None:
        body = replace(template, batch=batch, until={"at": batch}, kind="changes" if batch > 1 else "snapshot").to_json()
        s3.put_object(Bucket=bucket, Key=f"shop/orders/_manifests/{batch:08d}.json", Body=body)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, batches))
