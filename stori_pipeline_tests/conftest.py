"""The local stack for tests: one per session; only the servers run that a test needs.

Belongs here: fixtures that more than one test module uses. Each test has its own bucket or database to write to.

A test that stops or kills a server either creates a stack of its own or starts the server again before it ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from redshift_local.embedded import process
from stori_pipeline.cli import console
from stori_pipeline.lake import Lake
from stori_pipeline.local.samples import app, totesys
from stori_pipeline.local.samples.bank_import import create_schema
from stori_pipeline.local.samples.exchange_import import create_collection
from stori_pipeline.local.servers import COPY_ROLE
from stori_pipeline.local.stack import Stack
from stori_pipeline.settings import Settings
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.collection import pytest_collection_modifyitems as pytest_collection_modifyitems  # a hook
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.extent import load_hypothesis_profile
from stori_pipeline_tests.platforms import Platform
from stori_pipeline_tests.queues import TestQueue, queue
from stori_pipeline_tests.shipped import LOCAL, SERVERS
from stori_pipeline_tests.stores import ITEMS, StoredTable, Stores, StoreTable, empty_bucket, empty_warehouse, s3_client, storing

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from mypy_boto3_s3 import S3Client
    from pymongo import MongoClient
    from pymongo.database import Database

ROOT = Path(__file__).parents[1]

# What a test starts in a process of its own shall be this checkout too, even where the environment has another one installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))

os.environ["STORI_PROJECT"] = "stori_pipeline.project"  # also for tests in a folder of their own

load_hypothesis_profile()

# A suite that a script put in the background can end what it starts, as one at a terminal can.
console.restore_sigint()

_PREFIX = "stori-tests-"
ANY_PORTS = dict.fromkeys(SERVERS, 0)


def _remove_leftovers() -> None:
    """Stop and remove the stacks of this user's test sessions that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).split("-", 1)[0]
        with suppress(FileNotFoundError):  # another process of this session may be at it too
            if owner.isdigit() and folder.stat().st_uid == os.geteuid() and not process.exists(int(owner)):
                for home in list(folder.rglob(".stori")):
                    Stack(home, LOCAL).down()
                shutil.rmtree(folder)


@pytest.fixture(scope="session")
def idle_stack() -> Iterator[Stack]:
    """The session's stack, of which nothing runs until a fixture starts it."""
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    folder.chmod(0o711)  # as a project's folder mostly is: the account that Postgres may need can pass
    stack = Stack(folder / ".stori", LOCAL, durable=False)
    try:
        yield stack
    finally:
        stack.down()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def stack(idle_stack: Stack) -> Stack:
    """The stack with all its servers running."""
    idle_stack.up(ports=ANY_PORTS)
    return idle_stack


@pytest.fixture(scope="session")
def environ(stack: Stack) -> dict[str, str]:
    """What `.env` would hold for the whole stack. The tables of app and totesys are there, and empty unless a test fills them, so that a
    sync of all sources finds every table; who fills them empties them (`empty_samples`)."""
    addresses = stack.environ()
    app.create_schema(addresses["STORI_ADMIN_APP"])
    totesys.create_schema(addresses["STORI_ADMIN_TOTESYS"])
    return addresses


def empty_samples(environ: Mapping[str, str]) -> None:
    """Take every row out of the session's app and totesys."""
    for setting in ("STORI_ADMIN_APP", "STORI_ADMIN_TOTESYS"):
        with closing(psycopg2.connect(environ[setting])) as connection, connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '\\_%'"
            )
            ((tables,),) = cursor.fetchall()
            cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY")


@pytest.fixture(scope="session")
def settings(environ: dict[str, str]) -> Settings:
    return Settings(environ)


# ---- S3


@pytest.fixture(scope="session")
def s3(idle_stack: Stack) -> Iterator[S3Client]:
    """A client of the local S3."""
    idle_stack.up(only=["aws"], ports=ANY_PORTS)
    with s3_client(idle_stack.client_environ()) as client:
        yield client


@pytest.fixture
def local_aws(idle_stack: Stack, s3: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says where the local AWS is, for whatever finds it so."""
    for name, value in idle_stack.client_environ().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(s3: S3Client) -> Iterator[str]:
    """The name of an empty bucket, gone after the test."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    yield name
    empty_bucket(s3, name)
    s3.delete_bucket(Bucket=name)


processed_bucket = bucket
"""Another one."""


@pytest.fixture
def lake(s3: S3Client, bucket: str) -> Lake:
    return Lake(s3, bucket)


@pytest.fixture
def messages(local_aws: None) -> Iterator[TestQueue]:
    """An empty queue of the local SQS, gone after the test."""
    with queue() as source_queue:
        yield source_queue


# ---- Postgres


@dataclass(frozen=True)
class SourceDatabase:
    """A database in the cluster of sources: `admin_url` as the application that owns it, `reader_url` as the pipeline."""

    name: str
    admin_url: str = field(repr=False)
    reader_url: str = field(repr=False)
    superuser_url: str = field(repr=False)


@pytest.fixture(scope="session")
def sources(idle_stack: Stack) -> Stack:
    """The stack with its cluster of sources running."""
    idle_stack.up(only=["sources"], ports=ANY_PORTS)
    return idle_stack


@contextmanager
def source_database(sources: Stack) -> Iterator[SourceDatabase]:
    """An empty Postgres database with the rights of a source, gone after the block."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    sources.create_source_database(name)
    yield SourceDatabase(
        name,
        sources.postgres_url("sources", "app", name),
        sources.postgres_url("sources", "reader", name),
        sources.postgres_url("sources", "postgres", name),
    )
    sources.drop_source_database(name)


@pytest.fixture
def source_db(sources: Stack) -> Iterator[SourceDatabase]:
    """An empty Postgres database with the rights of a source, gone after the test."""
    with source_database(sources) as database:
        yield database


@pytest.fixture(scope="session")
def platform_url(idle_stack: Stack) -> str:
    """The database behind the local Redshift, past it, as its cluster's superuser."""
    idle_stack.up(only=["platform"], ports=ANY_PORTS)
    return idle_stack.postgres_url("platform", "postgres", "dev")


@pytest.fixture(scope="session")
def warehouse_url(idle_stack: Stack) -> str:
    """The local Redshift, as `loader`. Its database is shared: a test makes a schema of its own in it."""
    idle_stack.up(only=["redshift"], ports=ANY_PORTS)
    return idle_stack.warehouse_url()


# ---- MongoDB


@dataclass(frozen=True)
class MongoSource:
    """An empty Mongo database.

    `url` is for the pipeline, which may only read; `admin_url` and `client` may do anything.
    """

    name: str
    url: str = field(repr=False)
    admin_url: str = field(repr=False)
    client: MongoClient[dict[str, Any]]

    @property
    def database(self) -> Database[dict[str, Any]]:
        return self.client[self.name]


@pytest.fixture(scope="session")
def mongo(idle_stack: Stack) -> Stack:
    """The stack with its MongoDB running."""
    idle_stack.up(only=["mongo"], ports=ANY_PORTS)
    return idle_stack


@contextmanager
def mongo_database(mongo: Stack) -> Iterator[MongoSource]:
    """An empty Mongo database, gone after the block."""
    from pymongo import MongoClient

    name = f"test_{uuid.uuid4().hex[:12]}"
    mongo.create_mongo_database(name)
    admin_url = mongo.mongo_url("admin", name)
    client: MongoClient[dict[str, Any]] = MongoClient(admin_url, serverSelectionTimeoutMS=20_000)
    yield MongoSource(name, mongo.mongo_url("reader", name), admin_url, client)
    client.close()
    mongo.drop_mongo_database(name)


@pytest.fixture
def mongo_db(mongo: Stack) -> Iterator[MongoSource]:
    """An empty Mongo database, gone after the test."""
    with mongo_database(mongo) as database:
        yield database


# ---- what a test has to itself


@pytest.fixture
def stores(s3: S3Client, bucket: str, processed_bucket: str, warehouse_url: str) -> Stores:
    """A lake, a lake of what is derived, and the warehouse."""
    return Stores(s3, bucket, Lake(s3, bucket), Lake(s3, processed_bucket), Warehouse(warehouse_url, COPY_ROLE), warehouse_url)


@pytest.fixture
def store(stores: Stores) -> Iterator[StoreTable]:
    """Stores a table like the one it is given, with a mirror in a schema of its own; the schema is gone after the test."""
    with storing(stores) as function:
        yield function


@pytest.fixture
def items(store: StoreTable) -> StoredTable:
    """A table of items, of which nothing has landed."""
    return store(ITEMS)


@pytest.fixture
def platform(
    environ: dict[str, str],
    source_db: SourceDatabase,
    mongo_db: MongoSource,
    stores: Stores,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Platform]:
    """A bank and an exchange that are there and empty, empty buckets, and a warehouse that holds nothing. The environment says where they
    are, as it does for the pipeline, and so does `environ`, for commands in processes of their own.

    The commands use the project's own Dagster instance. Its storage is the session's, as are the pools in it: what a killed run leaves
    there, the next one meets.
    """
    create_schema(source_db.admin_url)
    create_collection(mongo_db.admin_url)
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    surroundings = environ | {
        "STORI_SOURCE_BANK": source_db.reader_url,
        "STORI_SOURCE_EXCHANGE": mongo_db.url,
        "STORI_ADMIN_BANK": source_db.admin_url,
        "STORI_ADMIN_EXCHANGE": mongo_db.admin_url,
        "STORI_LANDING_BUCKET": stores.bucket,
        "STORI_PROCESSED_BUCKET": stores.processed.bucket.name,
    }
    for of_the_session in ("STORI_ADMIN_APP", "STORI_ADMIN_TOTESYS"):
        del surroundings[of_the_session]  # the sample data of a test go into its own sources alone
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # a developer's own `.env` must not be read
    empty_warehouse(stores.warehouse_url)
    surroundings["DAGSTER_HOME"] = str(tmp_path)
    yield Platform(**vars(stores), environ=surroundings, folder=tmp_path, bank=source_db, exchange=mongo_db)
    empty_warehouse(stores.warehouse_url)
    if any(tmp_path.glob("command-*.out")):
        from dagster import DagsterInstance

        from stori_pipeline.runtime.liveness import end_killed_runs

        with DagsterInstance.from_config(str(tmp_path)) as instance:
            end_killed_runs(instance)  # a test that failed halfway must not make the next one wait for its slot


@pytest.fixture(scope="session")
def instance_storage(idle_stack: Stack) -> str:
    """The URL of a database for Dagster's storage. It is not the one that commands use."""
    idle_stack.up(only=["platform"], ports=ANY_PORTS)
    execute(idle_stack.postgres_url("platform", "postgres", "postgres"), "CREATE DATABASE instances OWNER dagster", autocommit=True)
    return idle_stack.postgres_url("platform", "dagster", "instances")


@pytest.fixture
def instance(instance_storage: str) -> Iterator[DagsterInstance]:
    """An empty instance of Dagster, with the storage and the pools of `dagster.yaml`."""
    from stori_pipeline_tests.instances import empty_instance

    with empty_instance(instance_storage) as opened:
        yield opened
