"""When and how often the applications write: at a rate, or as one quick round.

Belongs here: the mix of kinds, the pace, and how long late transactions stay open. Does not belong here: what a kind of write does
(`bank_writes`, `exchange_writes`).
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from stori_pipeline.local.samples.bank_writes import Bank
from stori_pipeline.local.samples.exchange_writes import Exchange
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.settings import Settings

# Each kind of write with how many of a hundred it is. Late transactions are a kind too: beginning one is the operation.
_MIX = {
    "bank insert": 28,
    "bank update": 14,
    "bank silent edit": 8,
    "bank delete": 3,
    "bank burst": 2,
    "bank late": 1,
    "exchange insert": 20,
    "exchange update": 8,
    "exchange replace": 4,
    "exchange delete": 3,
    "exchange push": 3,
    "exchange pull": 2,
    "exchange edit wrapped": 2,
    "exchange insert wrapped": 1,
    "exchange delete wrapped": 1,
}
_KINDS = list(_MIX)
_HELD_AT_ONCE = 2
"""Late transactions each hold an account; there must be others left to post to."""

_HELD_SECONDS = (1.0, 20.0)
_ROLLED_BACK = 4
"""Every so many-th late transaction rolls back."""


def _admin_urls(environ: Mapping[str, str]) -> tuple[str, str]:
    settings = Settings(environ)
    return (
        settings.require("STORI_ADMIN_BANK", "the read-write address of the bank's database"),
        settings.require("STORI_ADMIN_EXCHANGE", "the read-write address of the exchange's database"),
    )


class _Applications:
    """Both applications, and the late transactions that are open."""

    def __init__(self, environ: Mapping[str, str], seed: int, stack: ExitStack) -> None:
        self._bank_url, exchange_url = _admin_urls(environ)
        self._rng = random.Random(seed)
        bank = stack.enter_context(Bank.open(self._bank_url, seed))
        exchange = stack.enter_context(Exchange.open(exchange_url, seed))
        self._writes: dict[str, Callable[[], bool]] = {
            "bank insert": bank.insert,
            "bank update": bank.update,
            "bank silent edit": bank.silent_edit,
            "bank delete": bank.delete,
            "bank burst": bank.burst,
            "exchange insert": exchange.insert,
            "exchange update": exchange.update,
            "exchange replace": exchange.replace,
            "exchange delete": exchange.delete,
            "exchange push": exchange.push,
            "exchange pull": exchange.pull,
            "exchange edit wrapped": exchange.edit_wrapped,
            "exchange insert wrapped": exchange.insert_wrapped,
            "exchange delete wrapped": exchange.delete_wrapped,
        }
        self._held: list[tuple[float, str, ExitStack]] = []  # when it ends, how, and what ends it
        self._late = 0
        self.counts: Counter[str] = Counter()

    def some_kind(self) -> str:
        return self._rng.choices(_KINDS, weights=list(_MIX.values()))[0]

    def do(self, kind: str) -> None:
        if kind == "bank late":
            self._hold()
        elif self._writes[kind]():
            self.counts[kind] += 1
        else:
            self.counts["found nothing to write to"] += 1

    def _hold(self) -> None:
        if len(self._held) == _HELD_AT_ONCE:
            self._finish(*self._held.pop(0)[1:])
        self._late += 1
        ending = "bank late rollback" if self._late % _ROLLED_BACK == 0 else "bank late commit"
        late = ExitStack()
        late.enter_context(_late(self._bank_url, int(self._rng.random() * 2**31), commit=ending == "bank late commit"))
        self._held.append((time.monotonic() + self._rng.uniform(*_HELD_SECONDS), ending, late))

    def _finish(self, ending: str, late: ExitStack) -> None:
        late.close()
        self.counts[ending] += 1

    def finish_late(self, until: float = math.inf) -> None:
        """End the late transactions that are due by then, each as it was meant to end. One that fails keeps no other open."""
        due = [held for held in self._held if held[0] <= until]
        self._held = [held for held in self._held if held[0] > until]
        with ExitStack() as endings:
            for _, ending, late in due:
                endings.callback(self._finish, ending, late)


@contextmanager
def _applications(environ: Mapping[str, str], seed: int) -> Iterator[_Applications]:
    """Both applications; at the end no transaction of theirs is open."""
    with ExitStack() as stack:
        applications = _Applications(environ, seed, stack)
        try:
            yield applications
        finally:
            applications.finish_late()


@contextmanager
def _late(url: str, seed: int, *, commit: bool) -> Iterator[None]:
    with Bank.open(url, seed) as bank, bank.late(commit=commit):
        yield


@contextmanager
def late_transaction(environ: Mapping[str, str], *, seed: int, commit: bool = True) -> Iterator[None]:
    """A transaction in the bank that writes at the start of the block and commits at its end, however much is committed in between.

    With `commit=False` it rolls back, as it does after an exception.
    """
    url, _ = _admin_urls(environ)
    with _late(url, seed, commit=commit):
        yield


def round_of_changes(environ: Mapping[str, str], *, seed: int, operations: int = 200) -> Counter[str]:
    """One mixed round, as fast as the sources take it: every kind of write, late commits that span the others included.

    The same sources and the same seed give the same round, of at least one operation of each kind. Returns how many of each kind.
    """
    with _applications(environ, seed) as applications:
        kinds = [*_KINDS, *(applications.some_kind() for _ in range(operations - len(_KINDS)))]
        random.Random(seed).shuffle(kinds)
        for kind in kinds:
            applications.do(kind)
    return applications.counts


def run_workload(
    environ: Mapping[str, str],
    *,
    rate: float,
    seconds: float | None,
    operations: int | None,
    seed: int,
    stop: threading.Event,
    progress: Callable[[str, int, int], None] = lambda _label, _done, _total: None,
) -> Counter[str]:
    """Write to both sources at `rate` operations a second, until `seconds` have passed, `operations` are done or `stop` is set.

    A late transaction that is still open then ends as it was meant to. Returns how many of each kind; late transactions count
    when they end. `progress("operations", done, total)` has 0 for an unknown total.

    Raises:
        SampleError: a source cannot be reached, failed, or holds nothing yet.
    """
    if rate <= 0:
        raise SampleError(f"a rate of {rate} operations a second does nothing; give one above zero")
    limits = [limit for limit in (operations, None if seconds is None else math.ceil(rate * seconds)) if limit is not None]
    total = min(limits, default=0)
    with _applications(environ, seed) as applications:
        start = time.monotonic()
        done = 0
        while not stop.is_set() and (not limits or done < total):
            if stop.wait(max(0.0, start + done / rate - time.monotonic())):
                break
            if seconds is not None and time.monotonic() - start >= seconds:
                break
            applications.finish_late(until=time.monotonic())
            applications.do(applications.some_kind())
            done += 1
            progress("operations", done, total)
    return applications.counts
