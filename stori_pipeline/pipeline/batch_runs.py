"""Runs of batches: consecutive batches that are processed together.

Belongs here: cutting a sequence into runs. Does not belong here: what begins a run (`history`, `replay`), and processing one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def runs(batches: Iterable[T], begins: Callable[[T], bool]) -> Iterator[list[T]]:
    """The batches in order, cut before each one for which `begins` is true. No run is empty."""
    run: list[T] = []
    for batch in batches:
        if run and begins(batch):
            yield run
            run = []
        run.append(batch)
    if run:
        yield run
