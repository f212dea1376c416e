"""Leases: one run at a time works on a table, for as long as it lands or loads it.

Belongs here: taking a table's slot in its Dagster pool without a step of its own, so that steps and the continuous sync leave each other's
tables alone. Does not belong here: correctness, which needs no lease (the lake and the ledger refuse the second of two runs).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterInstance

_STEP = "lease"


class Leases:
    """Leases of one run. Safe to use from several threads, if no two lease the same pool."""

    def __init__(self, instance: DagsterInstance, run_id: str) -> None:
        self._storage = instance.event_log_storage
        self._run_id = run_id
        self._pools: set[str] = set()

    @contextmanager
    def lease(self, pool: str) -> Iterator[bool]:
        """Holds the pool's slot; its value is False if a step or another run has it, and nobody waits then."""
        if not self._storage.supports_global_concurrency_limits or not self._has_limit(pool):
            yield True
            return
        step = f"{_STEP}__{pool}"
        try:
            yield self._storage.claim_concurrency_slot(pool, self._run_id, step).is_claimed
        finally:
            # A claim that failed waits in the pool's queue; this takes it out, too.
            self._storage.free_concurrency_slot_for_step(self._run_id, step)

    def _has_limit(self, pool: str) -> bool:
        """Whether the instance limits the pool. Dagster creates a pool when a step first needs it."""
        if pool in self._pools or pool in self._storage.get_concurrency_keys():
            self._pools.add(pool)
            return True
        return self._storage.initialize_concurrency_limit_to_default(pool)
