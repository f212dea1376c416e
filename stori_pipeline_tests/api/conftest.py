"""A warehouse with a few payments, and the API over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from fastapi.testclient import TestClient
from mypy_boto3_s3 import S3Client

from stori_pipeline.api import create_app
from stori_pipeline.clock import Clock, utc_now
from stori_pipeline.local.stack import Stack
from stori_pipeline.settings import Settings
from stori_pipeline.shipped.payments import extension
from stori_pipeline.warehouse import Warehouse, dialect
from stori_pipeline_tests.shipped import STARS

PAYMENTS = (
    # number, date, paid, counterparty, amount
    (1, "2024-11-11", True, 1, "100.10"),
    (2, "2024-11-12", True, 2, "200.20"),
    (3, "2024-11-12", True, 1, "300.30"),
    (4, "2024-11-13", True, 2, "400.00"),
    (5, "2024-11-14", True, 1, "500.50"),
    (6, "2024-11-15", True, 1, "600.60"),
    (7, "2024-11-16", False, 1, "700.70"),  # fell due on a Saturday, and is never flipped
    (8, "2024-11-20", False, 2, "800.80"),
    (9, "2024-11-18", False, 3, "900.90"),  # of a counterparty that has not arrived
    (10, "2024-11-18", False, 1, "99999999.99"),
)

VERSIONS = (
    # number, record, created, updated, observed, date, paid, removed
    (11, 101, "2023-05-01", "2023-05-01", "2023-05-01", "2023-05-08", False, False),
    (11, 104, "2023-05-01", "2023-05-08", "2023-05-09", "2023-05-08", True, False),
    (12, 105, "2023-05-02", "2023-05-20", "2023-05-21", "2023-05-05", True, False),  # first read after it was flagged
    (13, 102, "2023-05-01", "2023-05-01", "2023-05-01", "2023-05-06", True, False),
    (13, 103, "2023-05-01", "2023-05-01", "2023-05-09", "2023-05-06", True, True),  # deleted, which leaves no time of the source
)


@dataclass(frozen=True)
class Surroundings:
    environ: dict[str, str] = field(repr=False)
    warehouse: Warehouse

    def app(self, clock: Clock = utc_now, **more: str) -> TestClient:
        """A client that shows what a person would see: an unexpected error of the application is a response 500."""
        return TestClient(create_app(Settings(self.environ | more), clock, extend=extension), raise_server_exceptions=False)


@pytest.fixture(scope="package")
def surroundings(stack: Stack, environ: dict[str, str], s3: S3Client) -> Iterator[Surroundings]:
    settings = Settings(environ)
    warehouse = Warehouse(settings.warehouse_url, settings.copy_role)
    dims: dict[str, list[tuple[object, ...]]] = {
        "dim_counterparty": [
            (1, "Padberg, Lueilwitz and Johnson", "1 A", None, None, "Leeds", "01138", "Italy", "1"),
            (2, "O'Hara <b>Ltd</b>", "2 B", None, None, "York", "2", "Peru", "2"),
        ],
        "dim_currency": [(1, "GBP", "Pound Sterling")],
        "dim_payment_type": [(1, "SALES_RECEIPT")],
    }
    with warehouse.session("set-up") as connection, connection.cursor() as cursor:
        for schema in ("star", "pipeline"):
            cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            cursor.execute(f"CREATE SCHEMA {schema}")
        cursor.execute(dialect.CREATE_LEDGER)
        for name in ("fact_payment", *dims):
            cursor.execute(dialect.create_mirror(STARS[name].table))
            cursor.execute(dialect.INSERT_LEDGER, (f"star.{name}", 1, 1, "-", "-", 1, 1, 0, "run", "2024-11-15 12:00:00+00"))
        for view in dialect.create_views(STARS["fact_payment"].table):
            cursor.execute(view)
        for name, rows in dims.items():
            for row in rows:
                cursor.execute(f"INSERT INTO star.{name} VALUES ({', '.join(['%s'] * len(row))}, 1, GETDATE())", row)
        insert = (
            "INSERT INTO star.fact_payment (payment_record_id, payment_id, created_date, created_time, last_updated_date,"
            " last_updated_time, transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id, paid, payment_date,"
            " _observed_at, _removed, _batch, _loaded_at)"
            " VALUES (%s, %s, %s, '09:00:00', %s, '09:00:00', 1, %s, %s, 1, 1, %s, %s, %s, %s, 1, GETDATE())"
        )
        for number, day, paid, counterparty, amount in PAYMENTS:
            at = "2024-11-11"
            cursor.execute(insert, (number, number, at, at, counterparty, amount, paid, day, at, False))
        for number, record, created, updated, observed, day, paid, removed in VERSIONS:
            cursor.execute(insert, (record, number, created, updated, 1, "1.00", paid, day, observed, removed))
        connection.commit()
    bucket = "test-api"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="charts/payments.svg", Body=b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    s3.put_object(Bucket=bucket, Key="charts/payments.png", Body=b"png")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.client_environ().items():
            patch.setenv(name, value)
        yield Surroundings(environ | {"STORI_PROCESSED_BUCKET": bucket}, warehouse)
    with warehouse.session("clean-up") as connection, connection.cursor() as cursor:
        for schema in ("star", "pipeline"):
            cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.commit()
    for key in ("charts/payments.svg", "charts/payments.png"):
        s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_bucket(Bucket=bucket)


@pytest.fixture
def client(surroundings: Surroundings) -> Iterator[TestClient]:
    with surroundings.app() as test_client:
        yield test_client
