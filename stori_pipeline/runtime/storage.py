"""Dagster's storage in Postgres, with connections that stay open.

Belongs here: how the instance connects, and fixes for races between processes in Dagster's Postgres storage. Does not belong here: the
address of the storage (`dagster.yaml`).
"""

# Dagster's Postgres storage opens a connection for every statement, about thirty per step. That took two thirds of the time of a quiet run
# (7 s instead of 2.5 s for two tables). The webserver avoids it by calling a method of the storage; here every process calls that method.

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import pg_url_from_config
from psycopg2.errors import InFailedSqlTransaction
from sqlalchemy.exc import InternalError

_STATEMENT_TIMEOUT = 120_000  # milliseconds; a statement of Dagster's takes a few
_RECYCLE = 600  # seconds after which a connection is replaced: under the idle limits of proxies and firewalls
_OVERFLOW = 20  # connections in addition to the one that stays open, for threads that need one at the same time


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
        """Claims a slot of the pool for a step, or queues the step.

        Dagster looks for a free slot once, before it queues the step, and assigns a freed slot to a step that is queued already. A slot
        that is freed in between is not assigned, and the step waits until another step of the pool ends, perhaps for ever. So this looks
        for a free slot again after queueing, with each claim.
        """
        claim = super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)
        if claim.is_claimed or claim.is_assigned or not self.has_unassigned_slots(concurrency_key):
            return claim
        # Two processes may assign at the same time: the rows of slots are locked, so each slot is assigned once.
        self.assign_pending_steps([concurrency_key])
        return super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)


class KeptPostgresStorage(DagsterPostgresStorage):
    """Like `storage: postgres` in `dagster.yaml`, with the same configuration."""

    def __init__(self, postgres_url: str, should_autocreate_tables: bool = True, inst_data: Any = None) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data)
        self._event_log_storage = _EventLogStorage(postgres_url, should_autocreate_tables)
        for storage in (self.run_storage, self.event_log_storage, self.schedule_storage):
            storage.optimize_for_webserver(_STATEMENT_TIMEOUT, _RECYCLE, _OVERFLOW)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> KeptPostgresStorage:
        return cls(pg_url_from_config(config_value), config_value.get("should_autocreate_tables", True), inst_data)
