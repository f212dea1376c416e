"""What the alerts remember from one evaluation to the next.

Belongs here: the memory, as data and as JSON. Does not belong here: where it is stored. A message enters `unsent` when its cause enters
`announced`, and leaves once its channels have accepted it. If the process dies before the memory is stored, the message is sent again
with the same id: no message is lost, one may arrive twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from stori_pipeline.alerts.causes import Cause, Day, Signal, consequences
from stori_pipeline.alerts.messages import Message, compose

# The JSON keep the keys of earlier versions, whose memory must stay readable.
_JSON_KEYS = {
    "read_until": "until",
    "read_runs": "done",
    "signals": "last",
    "days": "days",
    "announced": "told",
    "unsent": "unsent",
    "unsent_metrics": "measured",
}


@dataclass
class Memory:
    """Instants are in seconds since 1970."""

    read_until: float = 0.0
    """Runs that ended before this were read."""
    read_runs: dict[str, float] = field(default_factory=dict)
    """Runs that ended about that time and were read: id to end."""
    signals: dict[str, Signal] = field(default_factory=dict)
    days: dict[str, Day] = field(default_factory=dict)
    announced: dict[str, Cause] = field(default_factory=dict)
    """Causes in force with a message that was sent or is in `unsent`, by key."""
    unsent: list[Message] = field(default_factory=list)
    unsent_metrics: list[list[Any]] = field(default_factory=list)
    """Each as name, table, instant, value."""

    @classmethod
    def from_json(cls, text: str) -> Memory:
        values = json.loads(text)
        return cls(
            read_until=values["until"],
            read_runs=values["done"],
            signals={about: Signal(**each) for about, each in values["last"].items()},
            days={table: Day(**each) for table, each in values["days"].items()},
            announced={key: Cause(**each) for key, each in values["told"].items()},
            unsent=[Message(**{**each, "keys": tuple(each["keys"]), "to": tuple(each["to"])}) for each in values["unsent"]],
            unsent_metrics=values["measured"],
        )

    def to_json(self) -> str:
        return json.dumps({_JSON_KEYS[name]: value for name, value in asdict(self).items()}, sort_keys=True)

    def update(
        self,
        in_force: Sequence[Cause],
        *,
        inputs: Mapping[str, Collection[str]],
        to: Sequence[str],
        ui: str,
        now: float,
        pages: Mapping[str, str],
    ) -> None:
        """Compare the causes in force with those announced, and add a message to `unsent` for each that began or ended.

        An announced cause keeps its first `since`. A consequence of another cause gets no message.

        Args:
            inputs: full name of a derived table to the full names of the tables it reads.
            to: names of the channels.
            ui: address of Dagster's UI.
            pages: full name to the path of its asset in the UI.
        """
        keys = {cause.key for cause in in_force}
        follow = consequences(in_force, inputs)
        begun = [cause for cause in in_force if cause.key not in self.announced and cause.key not in follow]
        over = [cause for key, cause in self.announced.items() if key not in keys]
        withdrawn = self._withdraw({cause.key for cause in over})
        over = [cause for cause in over if cause.key not in withdrawn]
        for cause in begun:
            self.announced[cause.key] = cause
        self.announced = {key: cause for key, cause in self.announced.items() if key in keys}
        for causes, state in ((over, "over"), (begun, "begun")):
            self.unsent += compose(causes, state, to=to, ui=ui, now=now, pages=pages)  # type: ignore[arg-type]  # it infers str

    def _withdraw(self, over: Collection[str]) -> set[str]:
        """Remove the messages that no channel has accepted and whose causes have all ended; returns the keys of these causes."""
        withdrawn: set[str] = set()
        kept = []
        for message in self.unsent:
            undelivered = message.state == "begun" and not message.taken
            if undelivered and set(message.keys) <= set(over):
                withdrawn |= set(message.keys)
            else:
                kept.append(message)
        self.unsent = kept
        return withdrawn

    def mark_sent(self, message: Message, channel: str) -> None:
        """Note that the channel has accepted the message."""
        left = tuple(name for name in message.to if name != channel)
        self.unsent = [
            replace(each, to=left, taken=True) if each.id == message.id and left else each
            for each in self.unsent
            if each.id != message.id or left
        ]
