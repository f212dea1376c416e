"""When and how often the applications write: at a rate, or as one quick round.

Belongs here: which applications there are, the mix of kinds, the pace, and how long late transactions stay open. Does not belong here:
what a kind of write does (`bank_writes`, `exchange_writes`, `app_writes`, `totesys_writes`).
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
"""The kind that stays open: `late(commit=...)` of an application is a context, and beginning one is the operation."""


@dataclass(frozen=True)
class Application:
    """One application that writes.

    Args:
        setting, meaning: where its address is, and what that should hold.
        open: called with that address and a seed, a context that gives the application.
        kinds: its kinds of write, each with its weight among all kinds of all applications. Kind `silent edit` is the method
            `silent_edit()`, which says whether it changed anything.
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
        # Ten transactions for every user who registers, as over a day of the original.
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
        # An event may be one sent twice, late or broken: that is the producer's own mix.
        {"event": 40, "burst": 1},
    ),
}

_HELD_AT_ONCE = 2
"""Late transactions of one application: each holds an account of the bank, and there must be others left to post to."""

_HELD_SECONDS = (1.0, 20.0)
_ROLLED_BACK = 4
"""Every so many-th late transaction rolls back."""


def _addresses(environ: Mapping[str, str], sources: Sequence[str] | None) -> dict[str, str]:
    """The address of each application to open: of those named, or of all that have one."""
    settings = Settings(environ)
    for name in sources or ():
        if name not in APPLICATIONS:
            raise SampleError(f"there is no application {name!r}; there are {', '.join(APPLICATIONS)}")
    names = sources or [name for name, known in APPLICATIONS.items() if environ.get(known.setting)] or list(APPLICATIONS)
    return {name: settings.require(APPLICATIONS[name].setting, APPLICATIONS[name].meaning) for name in dict.fromkeys(names)}


class _Applications:
    """The applications that are open, and their late transactions that are."""

    def __init__(self, addresses: Mapping[str, str], seed: int, stack: ExitStack) -> None:
        self._addresses = addresses
        self._rng = random.Random(seed)
        self._open = {name: stack.enter_context(APPLICATIONS[name].open(url, seed)) for name, url in addresses.items()}
        self._weights = {(name, kind): weight for name in addresses for kind, weight in APPLICATIONS[name].kinds.items()}
        self.kinds = list(self._weights)
        self._held: list[tuple[float, str, str, ExitStack]] = []  # when it ends, whose it is, how, and what ends it
        self._late: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def some_kind(self) -> tuple[str, str]:
        return self._rng.choices(self.kinds, weights=list(self._weights.values()))[0]

    def do(self, name: str, kind: str) -> None:
        """One operation of that kind, of the application of that name."""
        if kind == LATE:
            self._hold(name)
        elif getattr(self._open[name], kind.replace(" ", "_"))():
            self.counts[f"{name} {kind}"] += 1
        else:
            self.counts["found nothing to write to"] += 1

    def _hold(self, name: str) -> None:
        mine = [held for held in self._held if held[1] == name]
        if len(mine) == _HELD_AT_ONCE:
            self._held.remove(mine[0])
            self._finish(*mine[0][2:])
        self._late[name] += 1
        commit = self._late[name] % _ROLLED_BACK != 0
        late = ExitStack()
        late.enter_context(_late(name, self._addresses[name], int(self._rng.random() * 2**31), commit=commit))
        ending = f"{name} late {'commit' if commit else 'rollback'}"
        self._held.append((time.monotonic() + self._rng.uniform(*_HELD_SECONDS), name, ending, late))

    def _finish(self, ending: str, late: ExitStack) -> None:
        late.close()
        self.counts[ending] += 1

    def finish_late(self, until: float = math.inf) -> None:
        """End the late transactions that are due by then, each as it was meant to end. One that fails keeps no other open."""
        due = [held for held in self._held if held[0] <= until]
        self._held = [held for held in self._held if held[0] > until]
        with ExitStack() as endings:
            for _, _, ending, late in due:
                endings.callback(self._finish, ending, late)


@contextmanager
def _applications(environ: Mapping[str, str], sources: Sequence[str] | None, seed: int) -> Iterator[_Applications]:
    """The applications; at the end no transaction of theirs is open."""
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
    """A transaction in each database that has them, which writes at the start of the block and commits at its end, however much is
    committed in between.

    With `commit=False` it rolls back, as it does after an exception. Without `sources`, in all that have an address.
    """
    with ExitStack() as transactions:
        for name, url in _addresses(environ, sources).items():
            if LATE in APPLICATIONS[name].kinds:
                transactions.enter_context(_late(name, url, seed, commit=commit))
        yield


def round_of_changes(environ: Mapping[str, str], *, seed: int, operations: int = 200, sources: Sequence[str] | None = None) -> Counter[str]:
    """One mixed round, as fast as the sources take it: every kind of write, late commits that span the others included.

    Without `sources`, of all applications whose address is set. The same sources and the same seed give the same kinds in the same
    order, at least one operation of each. Returns how many of each kind.
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
    """Write to the sources at `rate` operations a second, until `seconds` have passed, `operations` are done or `stop` is set.

    Without `sources`, to all that have an address. A late transaction that is still open then ends as it was meant to. Returns how
    many of each kind; late transactions count when they end. `progress("operations", done, total)` has 0 for an unknown total.

    Raises:
        SettingError: a source that is named has no address, or none at all has one.
        SampleError: a source is not known, cannot be reached, failed, or holds nothing yet.
    """
    if rate <= 0:
        raise SampleError(f"a rate of {rate} operations a second does nothing; give one above zero")
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
