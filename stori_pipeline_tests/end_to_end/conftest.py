"""`pipeline`: what each test of trouble has to itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dagster import DagsterInstance

from stori_pipeline.catalog import SOURCES
from stori_pipeline.lake import Lake
from stori_pipeline.local.samples.bank_import import create_schema
from stori_pipeline.local.samples.exchange_import import create_collection
from stori_pipeline.runtime.liveness import end_killed_runs
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.conftest import MongoSource, SourceDatabase
from stori_pipeline_tests.end_to_end.pipeline import Pipeline

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_INSTANCE = Path(__file__).parents[2] / "dagster.yaml"


@pytest.fixture
def pipeline(
    environ: dict[str, str],
    source_db: SourceDatabase,
    mongo_db: MongoSource,
    s3: S3Client,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Pipeline]:
    """Sources that are there and empty, an empty bucket, a warehouse that holds nothing, and the project's own Dagster instance.

    The instance's storage is the session's, as are the pools in it: what a killed run leaves there, the next one meets.
    """
    create_schema(source_db.admin_url)
    create_collection(mongo_db.admin_url)
    shutil.copy(_INSTANCE, tmp_path)
    told = environ | {
        "STORI_SOURCE_BANK": source_db.reader_url,
        "STORI_SOURCE_EXCHANGE": mongo_db.url,
        "STORI_ADMIN_BANK": source_db.admin_url,
        "STORI_ADMIN_EXCHANGE": mongo_db.admin_url,
        "STORI_LANDING_BUCKET": bucket,
        "DAGSTER_HOME": str(tmp_path),
    }
    for of_the_session in ("STORI_ADMIN_APP", "STORI_ADMIN_TOTESYS"):
        del told[of_the_session]  # the sample data of a test go into its own sources alone
    warehouse = Warehouse(told["STORI_WAREHOUSE"], told["STORI_COPY_ROLE"])
    forget(warehouse)
    yield Pipeline(told, tmp_path, source_db, mongo_db, s3, bucket, Lake(s3, bucket), warehouse)
    forget(warehouse)
    monkeypatch.setenv("STORI_DAGSTER_STORAGE", told["STORI_DAGSTER_STORAGE"])
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        end_killed_runs(instance)  # a test that failed halfway must not make the next one wait for its slot


def forget(warehouse: Warehouse) -> None:
    """Drop the mirrors and the ledger, which have one name each in the session's warehouse."""
    with warehouse.session("clean-up") as connection, connection.cursor() as cursor:
        for name in (*(source.name for source in SOURCES), "pipeline"):
            cursor.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
        connection.commit()
