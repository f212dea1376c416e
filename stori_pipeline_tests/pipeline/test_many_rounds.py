"""What many rounds of the continuous sync leave behind: nothing.

Belongs here: counting what a process holds, here and in the servers. Does not belong here: what the rounds bring (`test_continuous`).
"""

from __future__ import annotations

import gc
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from dagster import DagsterInstance

from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.bring import Brought
from stori_pipeline.runtime.leases import Leases
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.pipeline.followed import following
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform

_ROUNDS = extent(30, 1_000)
_SPREAD = 6
"""So many descriptors, sessions or threads more or fewer are open at one moment than at another: each worker has its own."""
_OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"
_SESSIONS = f"SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND {_OTHERS}"
_LOCKS = f"SELECT COUNT(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE {_OTHERS}"
_LOCKED = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory'"
_TABLES = "SELECT COUNT(*) FROM pg_class WHERE relkind IN ('r', 'v')"


@dataclass(frozen=True)
class Held:
    """What this process holds at one moment: here, in the source, and in the warehouse's server. Memory is in KB."""

    descriptors: int
    children: int
    threads: int
    source_sessions: int
    warehouse_sessions: int
    warehouse_tables: int
    memory: int


def _count(url: str, statement: str) -> int:
    return int(execute(url, statement)[0][0])


def _held(source: str, warehouse: str) -> Held:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return Held(
        descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208  (a path for each would be a descriptor)
        children=len(psutil.Process().children(recursive=True)),
        threads=threading.active_count(),
        source_sessions=_count(source, _SESSIONS),
        warehouse_sessions=_count(warehouse, _SESSIONS),
        warehouse_tables=_count(warehouse, _TABLES),
        memory=next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")),
    )


def _rows(platform: Platform) -> int:
    return int(platform.query("SELECT COUNT(*) FROM bank.transactions")[0][0])


@pytest.mark.timeout(extent(300, 3_600))
def test_many_rounds_leave_nothing_behind(begun: Platform, instance: DagsterInstance, platform_url: str, record_property: Any) -> None:
    """`make test-long` has a thousand rounds. Each takes the table's lease, lands a batch and loads it."""
    source, before, loads = begun.bank.superuser_url, threading.active_count(), 0
    leases, seen = Leases(instance, "many-rounds"), []

    def lease(table: Table) -> Any:
        return leases.lease(table.full_name)

    with following(begun, PLAIN, lease=lease, lag=0.1) as followed:
        for number in range(_ROUNDS):
            begun.move(1)
            followed.until(lambda number=number: _rows(begun) == 21 + number, "the movement")  # type: ignore[misc]
            loads += sum(each.loaded is not None for each in followed.happened if isinstance(each, Brought))
            followed.happened.clear()
            if number % (_ROUNDS // 3) == _ROUNDS // 3 - 1:
                followed.pause(1)  # so that no table is being brought
                seen.append(_held(source, platform_url))
                record_property(f"held after {number + 1}", asdict(seen[-1]))
    first, *_, last = seen
    assert loads >= _ROUNDS // 2
    for name, after in asdict(last).items():
        allowed = extent(30_000, 20_000) if name == "memory" else _SPREAD
        assert after <= asdict(first)[name] + allowed, seen
    until = time.monotonic() + 30  # the driver of MongoDB ends its threads some time after its client is closed
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.2)
    assert threading.active_count() <= before, threading.enumerate()
    for table in (BANK, EXCHANGE):
        pool = instance.event_log_storage.get_concurrency_info(table.full_name)
        assert not pool.claimed_slots, pool
        assert not pool.pending_steps, pool
    assert _count(source, _LOCKS) == 0
    assert _count(platform_url, _LOCKED) == 0
    begun.assert_equal(BANK)
