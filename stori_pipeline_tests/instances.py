"""Instances of Dagster for tests: one that runs in this process use.

Belongs here: their storage and settings. Does not belong here: the instance of commands in other processes (`platforms`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterInstance, instance_for_test

from stori_pipeline.runtime.storage import KeptPostgresStorage
from stori_pipeline_tests.databases import execute

# What Dagster writes about its schema stays.
_EMPTY_STORAGE = """DO $$ BEGIN EXECUTE (
    SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') || ' RESTART IDENTITY' FROM pg_tables
    WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'instance_info', 'secondary_indexes')); END $$"""


@contextmanager
def empty_instance(storage_url: str) -> Iterator[DagsterInstance]:
    """An instance with the storage and the pools of `dagster.yaml`. What the database held of an earlier one is removed first.

    SQLite files, the storage that Dagster itself gives to tests, take five times the processor time of a run: a file, an engine and a
    transaction for each event.
    """
    storage = {
        "module": KeptPostgresStorage.__module__,
        "class": KeptPostgresStorage.__name__,
        "config": {"postgres_url": storage_url.replace("://", "+psycopg2://", 1)},
    }
    overrides = {
        "storage": {"custom": storage},
        "concurrency": {"pools": {"default_limit": 1, "granularity": "op"}},
        # Nobody reads the output of these runs. Dagster starts two processes a run to keep it.
        "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"},
    }
    with instance_for_test(overrides=overrides) as instance:
        execute(storage_url, _EMPTY_STORAGE)
        yield instance
