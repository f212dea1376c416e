"""What is remembered from one look to the next, and what follows from a look.

Belongs here: the memory, as data and as JSON. Does not belong here: where it is kept.

A message is in `unsent` from the moment that its cause is noted in `told`, and leaves it once its channels have taken it. Between that
and the next writing of the memory a process may die: then the message is sent again, with the same id. None is lost, one may come twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from stori_pipeline.alerts.causes import Cause, Day, Verdict, consequences
from stori_pipeline.alerts.messages import Message, compose


@dataclass
class Memory:
    """Where the looking has come to (`until`, and the runs at that edge which are done), what was seen, told, and not yet sent."""

    until: float = 0.0
    done: dict[str, float] = field(default_factory=dict)
    last: dict[str, Verdict] = field(default_factory=dict)
    days: dict[str, Day] = field(default_factory=dict)
    told: dict[str, Cause] = field(default_factory=dict)
    unsent: list[Message] = field(default_factory=list)
    as_of: dict[str, float] = field(default_factory=dict)
    """Of each table, the time as of which the source is in its mirror."""
    measured: list[list[Any]] = field(default_factory=list)
    """Metrics that are not sent yet: name, table, seconds since 1970, value, unit."""

    @classmethod
    def from_json(cls, text: str) -> Memory:
        said = json.loads(text)
        return cls(
            until=said["until"],
            done=said["done"],
            last={about: Verdict(**each) for about, each in said["last"].items()},
            days={table: Day(**each) for table, each in said["days"].items()},
            told={key: Cause(**each) for key, each in said["told"].items()},
            unsent=[Message(**{**each, "keys": tuple(each["keys"]), "to": tuple(each["to"])}) for each in said["unsent"]],
            as_of=said["as_of"],
            measured=said["measured"],
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def note(
        self,
        in_force: Sequence[Cause],
        *,
        made_of: Mapping[str, Collection[str]],
        to: Sequence[str],
        ui: str,
        now: float,
        pages: Mapping[str, str],
    ) -> None:
        """Put into `unsent` what begins and what is over. A cause that was told keeps the beginning that was told."""
        keys = {cause.key for cause in in_force}
        follow = consequences(in_force, made_of)
        begun = [cause for cause in in_force if cause.key not in self.told and cause.key not in follow]
        over = [cause for key, cause in self.told.items() if key not in keys]
        unheard = self._withdraw({cause.key for cause in over})
        over = [cause for cause in over if cause.key not in unheard]
        for cause in begun:
            self.told[cause.key] = cause
        self.told = {key: cause for key, cause in self.told.items() if key in keys}
        for causes, state in ((over, "over"), (begun, "begun")):
            self.unsent += compose(causes, state, to=to, ui=ui, now=now, pages=pages)  # type: ignore[arg-type]  # it infers str

    def _withdraw(self, over: Collection[str]) -> set[str]:
        """Take back messages about causes that are all over before anybody was told; returns their keys."""
        gone: set[str] = set()
        kept = []
        for message in self.unsent:
            untouched = message.state == "begun" and not message.taken
            if untouched and set(message.keys) <= set(over):
                gone |= set(message.keys)
            else:
                kept.append(message)
        self.unsent = kept
        return gone

    def sent(self, message: Message, channel: str) -> None:
        """That channel has taken the message."""
        left = tuple(name for name in message.to if name != channel)
        self.unsent = [
            replace(each, to=left, taken=True) if each.id == message.id and left else each
            for each in self.unsent
            if each.id != message.id or left
        ]
