"""Lets the applications write to the sources: at a rate, or as one quick round.

Belongs here: the applications, the frequency of each kind of write, the rate, and how long late transactions stay open. Does not belong
here: the writes themselves (`bank_writes`, `exchange_writes`, `app_writes`, `totesys_writes`).
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from stori_pipeline.local.samples.app_writes import App
from stori_pipeline.local.samples.bank_writes import Bank
from stori_pipeline.local.samples.events_producer import EventProducer
from stori_pipeline.local.samples.exchange_writes import Exchange
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.local.samples.totesys_writes import Totesys
from stori_pipeline.settings import Settings

LATE = "late"
"""The kind of write that stays open: `late(commit=...)` of an application is a context manager, and entering it is the operation."""


@dataclass(frozen=True)
class Application:
    """One application that writes.

    Args:
        setting, meaning: the setting that holds its address, and what the setting should hold.
        open: a context manager of the address and a seed, which returns the application.
        kinds: its kinds of write, each with its weight among all kinds of all applications. The kind `silent edit` is the method
            `silent_edit()`, which returns whether it changed anything.
    """

    setting: str
    meaning: str
    open: Callable[[str, int], AbstractContextManager[Any]]
    kinds: Mapping[str, int]


APPLICATIONS: Mapping[str, Application] = {
    "bank": Application(
        "STORI_ADMIN_BANK",
        "the read-write address of the bank's database",
        Bank.open,
        {"insert": 28, "update": 14, "silent edit": 8, "delete": 3, "burst": 2, LATE: 1},
    ),
    "exchange": Application(
        "STORI_ADMIN_EXCHANGE",
        "the read-write address of the exchange's database",
        Exchange.open,
        {
            "insert": 20,
            "update": 8,
            "replace": 4,
            "delete": 3,
            "push": 3,
            "pull": 2,
            "edit wrapped": 2,
            "insert wrapped": 1,
            "delete wrapped": 1,
        },
    ),
    "app": Application(
        "STORI_ADMIN_APP",
        "the read-write address of the app's database",
        App.open,
        # Ten transactions per registration, as in the original data.
        {"register": 3, "transact": 30, "change email": 4, "correct amount": 4, "fix type": 3, "delete": 2, "tie": 2, LATE: 1},
    ),
    "totesys": Application(
        "STORI_ADMIN_TOTESYS",
        "the read-write address of the database of totesys",
        Totesys.open,
        {"sale": 20, "purchase": 10, "pay": 6, "silent edit": 3, "new design": 2, "move department": 1, LATE: 1},
    ),
    "events": Application(
        "STORI_SOURCE_EVENTS",
        "the address of the queue that the app's events are sent to",
        EventProducer.open,
        # The producer decides which events are duplicates, late or broken.
        {"event": 40, "burst": 1},
    ),
}

_MAX_LATE = 2
"""Open late transactions per application. Each locks an account of the bank, and others must stay free."""

_LATE_SECONDS = (1.0, 20.0)
_ROLLBACK_EVERY = 4
"""Every fourth late transaction rolls back."""


def _addresses(environ: Mapping[str, str], sources: Sequence[str] | None) -> dict[str, str]:
    """The address of each named application, or of all that have one."""
    settings = Settings(environ)
    for name in sources or ():
        if name not in APPLICATIONS:
            raise SampleError(f"no application is called {name!r}; choose from {', '.join(APPLICATIONS)}")
    names = sources or [name for name, known in APPLICATIONS.items() if environ.get(known.setting)] or list(APPLICATIONS)
    return {name: settings.require(APPLICATIONS[name].setting, APPLICATIONS[name].meaning) for name in dict.fromkeys(names)}


class _Applications:
    """The open applications, and their open late transactions."""

    def __init__(self, addresses: Mapping[str, str], seed: int, stack: ExitStack) -> None:
        self._addresses = addresses
        self._rng = random.Random(seed)
        self._open = {name: stack.enter_context(APPLICATIONS[name].open(url, seed)) for name, url in addresses.items()}
        self._weights = {(name, kind): weight for name in addresses for kind, weight in APPLICATIONS[name].kinds.items()}
        self.kinds = list(self._weights)
        self._open_late: list[tuple[float, str, str, ExitStack]] = []  # end time, application, name of its end, and what ends it
        self._started_late: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def some_kind(self) -> tuple[str, str]:
        return self._rng.choices(self.kinds, weights=list(self._weights.values()))[0]

    def do(self, name: str, kind: str) -> None:
        """Run one operation of this kind, of the named application."""
        if kind == LATE:
            self._start_late(name)
        elif getattr(self._open[name], kind.replace(" ", "_"))():
            self.counts[f"{name} {kind}"] += 1
        else:
            self.counts["found nothing to write to"] += 1

    def _start_late(self, name: str) -> None:
        mine = [late for late in self._open_late if late[1] == name]
        if len(mine) == _MAX_LATE:
            self._open_late.remove(mine[0])
            self._finish(*mine[0][2:])
        self._started_late[name] += 1
        commit = self._started_late[name] % _ROLLBACK_EVERY != 0
        late = ExitStack()
        late.enter_context(_late(name, self._addresses[name], int(self._rng.random() * 2**31), commit=commit))
        ending = f"{name} late {'commit' if commit else 'rollback'}"
        self._open_late.append((time.monotonic() + self._rng.uniform(*_LATE_SECONDS), name, ending, late))

    def _finish(self, ending: str, late: ExitStack) -> None:
        late.close()
        self.counts[ending] += 1

    def finish_late(self, until: float = math.inf) -> None:
        """Commit or roll back the late transactions whose end time has come. If one fails, the others still end."""
        due = [late for late in self._open_late if late[0] <= until]
        self._open_late = [late for late in self._open_late if late[0] > until]
        with ExitStack() as endings:
            for _, _, ending, late in due:
                endings.callback(self._finish, ending, late)


@contextmanager
def _applications(environ: Mapping[str, str], sources: Sequence[str] | None, seed: int) -> Iterator[_Applications]:
    """The applications during the block. After it no transaction is open."""
    with ExitStack() as stack:
        applications = _Applications(_addresses(environ, sources), seed, stack)
        try:
            yield applications
        finally:
            applications.finish_late()


@contextmanager
def _late(name: str, url: str, seed: int, *, commit: bool) -> Iterator[None]:
    with APPLICATIONS[name].open(url, seed) as application, application.late(commit=commit):
        yield


@contextmanager
def late_transaction(environ: Mapping[str, str], *, seed: int, commit: bool = True, sources: Sequence[str] | None = None) -> Iterator[None]:
    """A late transaction in each database whose application has the kind: it writes before the block, and commits after it.

    With `commit=False`, and after an exception, it rolls back.

    Args:
        sources: by default all that have an address.
    """
    with ExitStack() as transactions:
        for name, url in _addresses(environ, sources).items():
            if LATE in APPLICATIONS[name].kinds:
                transactions.enter_context(_late(name, url, seed, commit=commit))
        yield


def round_of_changes(environ: Mapping[str, str], *, seed: int, operations: int = 200, sources: Sequence[str] | None = None) -> Counter[str]:
    """Run a round of writes as fast as possible, at least one of each kind; late transactions span the others.

    The same sources and seed give the same kinds in the same order. Returns the number of operations by kind.

    Args:
        sources: by default all that have an address.
    """
    with _applications(environ, sources, seed) as applications:
        kinds = [*applications.kinds, *(applications.some_kind() for _ in range(operations - len(applications.kinds)))]
        random.Random(seed).shuffle(kinds)
        for name, kind in kinds:
            applications.do(name, kind)
    return applications.counts


def run_workload(
    environ: Mapping[str, str],
    *,
    rate: float,
    seconds: float | None,
    operations: int | None,
    seed: int,
    stop: threading.Event,
    sources: Sequence[str] | None = None,
    progress: Callable[[str, int, int], None] = lambda _label, _done, _total: None,
) -> Counter[str]:
    """Write to the sources at a rate. At the end, open late transactions commit or roll back.

    Returns the number of operations by kind; a late transaction counts when it ends.

    Args:
        rate: operations per second.
        seconds: stop after this time; None for no limit.
        operations: stop after this many operations; None for no limit.
        seed: the same seed repeats the operations.
        stop: stop when it is set.
        sources: by default all that have an address.
        progress: called with "operations", the number done, and their total; 0 for an unknown total.

    Raises:
        SettingError: a named source has no address, or no source has one.
        SampleError: a source is unknown, does not answer, failed, or has no rows.
    """
    if rate <= 0:
        raise SampleError(f"the rate is {rate} operations per second; it must be greater than 0")
    limits = [limit for limit in (operations, None if seconds is None else math.ceil(rate * seconds)) if limit is not None]
    total = min(limits, default=0)
    with _applications(environ, sources, seed) as applications:
        start = time.monotonic()
        done = 0
        while not stop.is_set() and (not limits or done < total):
            if stop.wait(max(0.0, start + done / rate - time.monotonic())):
                break
            if seconds is not None and time.monotonic() - start >= seconds:
                break
            applications.finish_late(until=time.monotonic())
            applications.do(*applications.some_kind())
            done += 1
            progress("operations", done, total)
    return applications.counts
