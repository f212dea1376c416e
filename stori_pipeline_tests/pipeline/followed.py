"""A continuous sync of a test's platform, in this process.

Belongs here: starting it, and waiting for what it brings. Does not belong here: what must come of it (`test_continuous`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from stori_pipeline.model.project import Project
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.bring import Brought
from stori_pipeline.pipeline.continuous import ContinuousSync, Left, Places
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline_tests.platforms import Platform

PATIENCE = 90.0
Lease = Callable[[Table], AbstractContextManager[bool]]


@contextmanager
def no_lease(_table: Table) -> Iterator[bool]:
    """A lease that is always given: the lake and the ledger must be enough."""
    yield True


@dataclass
class Followed:
    """The sync, and what has happened so far."""

    sync: ContinuousSync
    happened: list[Brought | Left] = field(default_factory=list)

    def until(self, is_reached: Callable[[], bool], what: str) -> None:
        """Waits until that holds, which is asked after each event and now and then."""
        deadline = time.monotonic() + PATIENCE
        while not is_reached():
            assert time.monotonic() < deadline, f"{what} did not come; {self.happened[-5:]}"
            self.happened.extend(self.sync.events(timeout=0.1))

    def pause(self, seconds: float) -> None:
        self.happened.extend(self.sync.events(timeout=seconds))

    @property
    def brought(self) -> list[Brought]:
        return [each for each in self.happened if isinstance(each, Brought)]

    @property
    def left(self) -> dict[str, str]:
        """The reasons for which tables were left to a run, by full name."""
        return {each.table.full_name: each.reason for each in self.happened if isinstance(each, Left)}


def places(platform: Platform, *, lease: Lease = no_lease, lag: float = 0.4) -> Places:
    def reader(source: Source) -> Reader:
        return reader_for(source.kind, platform.environ[f"STORI_SOURCE_{source.name.upper()}"])

    return Places(reader, platform.lake, platform.processed, platform.warehouse, lease, lambda _table: lag)


@contextmanager
def following(platform: Platform, project: Project, *, lease: Lease = no_lease, lag: float = 0.4) -> Iterator[Followed]:
    with ContinuousSync(project, places(platform, lease=lease, lag=lag), run_id="continuous") as sync:
        yield Followed(sync)
    assert sync.stop(), "threads of the sync still run"
