"""What a sensor remembers between two ticks, in its cursor: what it has requested, and nothing that must not be lost.

Belongs here: the cursor's content, its text, and reading it. Does not belong here: what is requested, and when (`sensors`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from dagster import AssetKey


@dataclass(frozen=True)
class Requested:
    """What a sensor has requested. Times are in seconds since 1970.

    Attributes:
        moved: the head of each source table, or the version of each input, for which a run was requested; of a table that the continuous
            sync left to a run, its sign.
        moved_at: when that was.
        made: the code version of each asset that was requested because it had never been made by that version. So one that fails is not
            requested again and again: the schedule tries it next.
        looked_at: when the sensor last looked for what was never made.
    """

    moved: Mapping[str, str] = field(default_factory=dict)
    moved_at: Mapping[str, float] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)
    looked_at: float = 0.0

    @classmethod
    def parse(cls, cursor: str | None) -> Requested:
        """What a cursor says. A text that no sensor wrote counts as a lost cursor."""
        try:
            values = json.loads(cursor or "")
            moved, made = dict(values["moved"]), dict(values["made"])
            # Cursors of versions before 0.3 have nothing else.
            times = {str(name): float(at) for name, at in values.get("moved_at", {}).items()}
            return cls(moved, times, made, float(values.get("looked_at", 0.0)))
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def and_also(self, moved: Mapping[str, str], unmade: Mapping[AssetKey, str], *, at: float) -> Requested:
        made = {"/".join(key.path): code for key, code in unmade.items()}
        times = {**self.moved_at, **dict.fromkeys(moved, at)}
        return replace(self, moved={**self.moved, **moved}, moved_at=times, made={**self.made, **made})

    def too_soon(self, name: str, *, now: float, between: float) -> bool:
        """Whether a run for that table was requested less than so many seconds ago."""
        return now < self.moved_at.get(name, 0.0) + between
