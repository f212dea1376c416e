"""Dagster's storage: Postgres with connections that stay open, or SQLite files where no Postgres is set.

Belongs here: which of the two, how the instance connects, and fixes for races between processes in Dagster's storages. Does not belong
here: the address of the storage (the setting that `dagster.yaml` names).
"""

# Dagster's Postgres storage opens a connection for every statement, about thirty per step. That took two thirds of the time of a quiet run
# (7 s instead of 2.5 s for two tables). The webserver avoids it by calling a method of the storage; here every process calls that method.

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from dagster import StringSource
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import DagsterPostgresException, pg_url_from_config
from psycopg2.errors import InFailedSqlTransaction
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InternalError, OperationalError

from stori_pipeline.settings import Settings
from stori_pipeline.settings.foreign import hint

_EMBEDDED = "DAGSTER_EMBEDDED_STORAGE"
"""The variable in which a process tells those that it starts which folder of SQLite files is their storage."""

_DELETE_RESULTS = text("DELETE FROM asset_check_executions WHERE run_id = :run_id")

_STATEMENT_TIMEOUT = 120_000  # milliseconds; a statement of Dagster's takes a few
_RECYCLE = 600  # seconds after which a connection is replaced: under the idle limits of proxies and firewalls
_OVERFLOW = 20  # connections in addition to the one that stays open, for threads that need one at the same time


class StorageUnavailable(click.ClickException):
    """Dagster's storage does not answer. Dagster's commands print the message alone, without a traceback."""


class _EventLogStorage(PostgresEventLogStorage):
    def __init__(self, postgres_url: str, should_autocreate_tables: bool = True) -> None:
        self._existing: set[str] = set()
        super().__init__(postgres_url, should_autocreate_tables)

    def has_table(self, table_name: str) -> bool:
        """Dagster calls this with every event, which was a fifth of all statements of a run. Caches the tables that exist."""
        return self._once(table_name, super().has_table)

    def has_asset_key_col(self, column_name: str) -> bool:
        """Like `has_table`."""
        return self._once(f"asset_keys.{column_name}", lambda _: super(_EventLogStorage, self).has_asset_key_col(column_name))

    def _once(self, name: str, look: Callable[[str], bool]) -> bool:
        if name not in self._existing and look(name):
            self._existing.add(name)
        return name in self._existing

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """Creates the pool, unless it exists.

        If another run has just created it, Dagster catches the error and goes on in a transaction that Postgres has aborted.
        """
        try:
            return super().initialize_concurrency_limit_to_default(concurrency_key)
        except InternalError as error:
            if isinstance(error.orig, InFailedSqlTransaction):
                return True
            raise

    def claim_concurrency_slot(self, concurrency_key: str, run_id: str, step_key: str, priority: int | None = None) -> Any:
        """See `_claimed`. Two processes may assign at the same time: the rows of slots are locked, so each slot is assigned once."""
        claim = super().claim_concurrency_slot
        return _claimed(self, concurrency_key, lambda: claim(concurrency_key, run_id, step_key, priority))

    def delete_events(self, run_id: str) -> None:
        """Deletes the results of the run's checks, too: Dagster would keep them for ever."""
        super().delete_events(run_id)
        with self.index_connection() as connection:
            connection.execute(_DELETE_RESULTS, {"run_id": run_id})


class _SqliteEventLog(SqliteEventLogStorage):
    def claim_concurrency_slot(self, concurrency_key: str, run_id: str, step_key: str, priority: int | None = None) -> Any:
        """See `_claimed`. SQLite lets one process write at a time, so each slot is assigned once."""
        claim = super().claim_concurrency_slot
        return _claimed(self, concurrency_key, lambda: claim(concurrency_key, run_id, step_key, priority))

    def delete_events(self, run_id: str) -> None:
        """Deletes the results of the run's checks, too, and the file of its events: Dagster would keep both for ever."""
        with self.index_connection() as connection:
            self.delete_events_for_run(connection, run_id)
            connection.execute(_DELETE_RESULTS, {"run_id": run_id})
        self.free_concurrency_slots_for_run(run_id)
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.path_for_shard(run_id)}{ending}").unlink(missing_ok=True)
        self._initialized_dbs.discard(run_id)  # who reads the run's events now finds a new file, without any


def _claimed(storage: PostgresEventLogStorage | SqliteEventLogStorage, concurrency_key: str, claim: Callable[[], Any]) -> Any:
    """Claims a slot of the pool for a step, or queues the step.

    Dagster looks for a free slot once, before it queues the step, and assigns a freed slot to a step that is queued already. A slot that is
    freed in between is not assigned, and the step waits until another step of the pool ends, perhaps for ever. So this looks for a free
    slot again after queueing, with each claim.
    """
    claimed = claim()
    if claimed.is_claimed or claimed.is_assigned or not storage.has_unassigned_slots(concurrency_key):
        return claimed
    storage.assign_pending_steps([concurrency_key])
    return claim()


class KeptPostgresStorage(DagsterPostgresStorage):
    """Like `storage: postgres` in `dagster.yaml`, with the same configuration."""

    def __init__(self, postgres_url: str, should_autocreate_tables: bool = True, inst_data: Any = None) -> None:
        try:
            _refuse_closed_port(postgres_url)
            super().__init__(postgres_url, should_autocreate_tables, inst_data)
        except (DagsterPostgresException, OperationalError, ConnectionRefusedError) as error:
            url, cause = make_url(postgres_url), error.__cause__ or error  # Dagster's own error only says that it tried often
            raise StorageUnavailable(
                f"Dagster's storage, the Postgres at {url.host}:{url.port or 5432}, does not answer{hint('postgres', cause)}. On a laptop, "
                "`stori up` starts it"
            ) from error
        self._event_log_storage = _EventLogStorage(postgres_url, should_autocreate_tables)
        for storage in (self.run_storage, self.event_log_storage, self.schedule_storage):
            storage.optimize_for_webserver(_STATEMENT_TIMEOUT, _RECYCLE, _OVERFLOW)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> KeptPostgresStorage:
        return cls(pg_url_from_config(config_value), config_value.get("should_autocreate_tables", True), inst_data)


def _refuse_closed_port(postgres_url: str) -> None:
    """Raises `ConnectionRefusedError` if nothing listens at an address of this machine. Dagster tries again for ten seconds, and logs each
    try; that is right for a server elsewhere, which may be failing over."""
    url = make_url(postgres_url)
    if url.host in ("127.0.0.1", "localhost"):
        socket.create_connection((url.host, url.port or 5432), timeout=5).close()


class EmbeddedStorage(DagsterSqliteStorage):
    """Dagster's storage in SQLite files, with pools that lose no step."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = _SqliteEventLog(str(Path(base_dir) / "history" / "runs"))


class PostgresOrEmbeddedStorage(KeptPostgresStorage):
    """The Postgres whose address a setting has; SQLite files where it is not set, so that Dagster's commands need no server.

    A process that began with SQLite files stays with them, and so do the processes that it starts: `stori up` may write the setting while
    `dagster dev` runs, and a run that went to Postgres would be unknown to the daemon that launched it.
    """

    @classmethod
    def config_type(cls) -> Any:
        return {"setting": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Any:
        setting = config_value["setting"]
        begun, url = os.environ.get(_EMBEDDED), Settings(os.environ).secret(setting)
        if url and not begun:
            return KeptPostgresStorage(re.sub("^postgres(ql)?://", "postgresql+psycopg2://", url), inst_data=inst_data)
        folder = Path(begun or Path(os.environ.get("DAGSTER_HOME") or ".") / ".stori" / "dagster").resolve()
        if not begun:
            os.environ[_EMBEDDED] = str(folder)
            click.echo(f"{setting} is not set: Dagster keeps its runs in {folder}. `stori up` starts a Postgres for them", err=True)
        folder.mkdir(parents=True, exist_ok=True)
        return EmbeddedStorage(str(folder), inst_data)
