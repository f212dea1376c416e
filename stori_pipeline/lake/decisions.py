"""What was decided about rejected rows: facts in the manifest of a later batch of their generation.

Belongs here: a decision, and its JSON. Does not belong here: which rows are open (`quarantine`), or deciding (`pipeline.quarantine`).
"""

# The manifest that commits a batch also commits what it decides. So a process that is killed has decided and landed, or neither: a row
# that was replayed is in exactly that batch, and no second record can disagree.

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

What = Literal["replayed", "superseded", "discarded", "accepted"]
"""`replayed`: the rows landed in the batch that decides. `superseded`: they are left out for good, because a newer version of their key
landed, or their source has deleted it. `discarded`: nobody wants them. `accepted`: the batch may be loaded without its rejected rows, which
stay in quarantine."""


@dataclass(frozen=True)
class Decision:
    """What was decided about a batch, or about some of its rejected rows.

    Args:
        batch: the number of the batch, of the same generation.
        rows: numbers of its rejected rows, from 1 in the order of its quarantine, as (first, last); empty for `accepted`.
    """

    what: What
    batch: int
    rows: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of_rows(cls, what: What, batch: int, numbers: Iterable[int]) -> Decision:
        return cls(what, batch, tuple(_ranges(numbers)))

    @property
    def numbers(self) -> set[int]:
        return {number for first, last in self.rows for number in range(first, last + 1)}

    def to_json(self) -> dict[str, Any]:
        return {"what": self.what, "batch": self.batch, "rows": [list(each) for each in self.rows]}

    @classmethod
    def from_json(cls, value: Any) -> Decision:
        return cls(value["what"], int(value["batch"]), tuple((int(first), int(last)) for first, last in value["rows"]))


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The numbers as (first, last) of each run of consecutive ones."""
    run: list[int] = []
    for number in sorted(set(numbers)):
        if run and number > run[-1] + 1:
            yield run[0], run[-1]
            run = []
        run.append(number)
    if run:
        yield run[0], run[-1]
