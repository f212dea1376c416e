"""Pytest fixtures: a local Redshift for a test session, and a schema and a connection for each test.

Belongs here: those fixtures. Does not belong here: imports that only a fixture needs. They are in the fixture, because pytest loads this
module in every project in whose environment the package is installed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from redshift_local.instance import LocalRedshift

_PREFIX = "redshift-local-tests-"


@pytest.fixture(scope="session")
def redshift_s3_endpoint() -> str | None:
    """The S3 endpoint that COPY reads from. Override it with the endpoint of your tests' S3; None for AWS_ENDPOINT_URL, or AWS itself."""
    return None


@pytest.fixture(scope="session")
def redshift(redshift_s3_endpoint: str | None) -> Iterator[LocalRedshift]:
    """A local Redshift for the session, in a temporary folder. `redshift.url` is its address."""
    from redshift_local.instance import instance

    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    folder.chmod(0o711)  # the account of PostgreSQL can enter the folder, and cannot list it
    try:
        with instance(folder / "data", s3_endpoint=redshift_s3_endpoint, durable=False) as running:
            yield running
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def redshift_schema(redshift: LocalRedshift) -> Iterator[str]:
    """The name of an empty schema, which is dropped after the test."""
    import psycopg2

    name = f"test_{uuid.uuid4().hex[:12]}"
    with closing(psycopg2.connect(redshift.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {name}")
            yield name
            cursor.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def redshift_connection(redshift: LocalRedshift, redshift_schema: str) -> Iterator[connection]:
    """A psycopg2 connection with the test's schema in its search_path. Each statement is committed."""
    import psycopg2

    with closing(psycopg2.connect(redshift.url, options=f"-c search_path={redshift_schema},public")) as opened:
        opened.autocommit = True
        yield opened


def _remove_leftovers() -> None:
    """Stop the servers, and remove the folders, of this user's test sessions that were killed."""
    from redshift_local.embedded import process
    from redshift_local.instance import stop_leftovers

    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).split("-", 1)[0]
        with suppress(FileNotFoundError):  # another session may remove it at the same time
            if owner.isdigit() and folder.stat().st_uid == os.geteuid() and not process.exists(int(owner)):
                stop_leftovers(folder / "data")
                shutil.rmtree(folder)
