"""The messages of the application's devices, with realistic faults.

Belongs here: generating events, and their faults. Does not belong here: sending them (`events_producer`). A person starts to register, uses
the application, and may submit; a submission has a user id. Devices send most events at once, some up to three days later, some twice, and
0.5 % in an unreadable form.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from stori_pipeline.local.samples.bank import pick

Event = dict[str, Any]

DUPLICATES = 0.01
MALFORMED = 0.005
LATE = 0.03
OPTIONAL_MISSING = 0.1

_PEOPLE = 60  # people who use the application at the same time
_FIRST_USER = 10_000
_RECENT = 500  # a duplicate repeats one of the last 500 messages

_OTHER_EVENTS = ("screen_viewed", "question_answered", "document_uploaded", "another_event")
"""Names of events that no report uses."""

_DEVICES = (
    # Platform, manufacturer, model, operating system. The last line contradicts itself, as the first device of the original data does.
    ("ios", "Apple", "iPhone8,4", "iOS"),
    ("ios", "Apple", "iPhone10,6", "iOS"),
    ("android", "samsung", "SM-G950F", "android"),
    ("android", "HUAWEI", "ANE-LX1", "Android"),
    ("android", "Google", "Pixel 2", "android"),
    ("android", "Apple", "iPhone8,4", "android"),
)
_DEVICE_WEIGHTS = (30, 25, 20, 14, 10, 1)
_PLACES = (
    ("de-DE", "Europe/Berlin", 60),
    ("de-AT", "Europe/Vienna", 60),
    ("en-DE", "Europe/Berlin", 60),
    ("en-US", "America/Los_Angeles", -480),
)
_CARRIERS = ("o2-de", "Telekom.de", "Vodafone.de", "Lycamobile", "")


@dataclass(frozen=True)
class Sent:
    """One message. `event` is its event; None if the message is unreadable and belongs in quarantine."""

    body: str
    event: Event | None


@dataclass
class _Person:
    """A person who uses the application: the facts that all their events share, and the names of their next events."""

    facts: Event
    offset: int
    user_id: str
    todo: deque[str]


def format_utc(moment: datetime) -> str:
    """The format of most fields: UTC, without an offset."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def format_local(moment: datetime, offset: int) -> str:
    """The format of devices: milliseconds, with an offset of `offset` minutes ahead of UTC."""
    local = moment.astimezone(timezone(timedelta(minutes=offset)))
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{local:%z}"


class Traffic:
    """An endless stream of messages. The same random numbers and moments give the same messages."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._people: list[_Person] = []
        self._recent: deque[Sent] = deque(maxlen=_RECENT)
        self._users = _FIRST_USER + int(rng.random() * 1_000_000)

    def next(self, at: datetime) -> Sent:
        """The message that is sent at that moment."""
        rng = self._rng
        if self._recent and rng.random() < DUPLICATES:
            return pick(rng, list(self._recent))
        if rng.random() < MALFORMED:
            return Sent(self._malformed(at), None)
        event = self._event(at)
        sent = Sent(json.dumps(event), event)
        self._recent.append(sent)
        return sent

    def _event(self, at: datetime) -> Event:
        rng = self._rng
        while len(self._people) < _PEOPLE:
            self._people.append(self._new_person())
        person = pick(rng, self._people)
        name = person.todo.popleft()
        if not person.todo:
            self._people.remove(person)
        # A device that was offline or asleep sends its events hours or days later.
        seconds = 3_600 * (1 + 71 * rng.random()) if rng.random() < LATE else 5 * rng.random()
        delay = timedelta(milliseconds=int(1_000 * seconds))
        sent_at = (at - timedelta(milliseconds=20 + int(800 * rng.random()))).replace(microsecond=0)
        happened = sent_at - delay
        by_device = happened - timedelta(milliseconds=int(500 * rng.random()))
        event = person.facts | {
            "id": self._uuid(),
            "event": name,
            "event_text": _camel(name),
            "original_timestamp": format_local(by_device, person.offset) if rng.random() < 0.7 else format_utc(by_device),
            "timestamp": format_local(happened, 0) if rng.random() < 0.05 else format_utc(happened),
            "sent_at": format_utc(sent_at),
            "received_at": format_utc(at),
            "context_network_wifi": rng.random() < 0.6,
        }
        if name == "submission_success" or (person.todo and rng.random() < 0.2 and name != "registration_initiated"):
            event["user_id"] = person.user_id
        return event

    def _new_person(self) -> _Person:
        rng = self._rng
        platform, manufacturer, model, system = rng.choices(_DEVICES, _DEVICE_WEIGHTS)[0]
        locale, zone, offset = pick(rng, list(_PLACES))
        optional: Event = {
            "context_app_version": f"1.{int(rng.random() * 9)}.{int(rng.random() * 20)}",
            "context_device_ad_tracking_enabled": rng.random() < 0.5,
            "context_library_name": f"analytics-{platform}",
            "context_library_version": f"3.{int(rng.random() * 7)}.{int(rng.random() * 10)}",
            "context_timezone": zone,
            "context_device_token": None if rng.random() < 0.8 else f"{rng.getrandbits(256):064x}",
        }
        facts: Event = {
            "anonymous_id": self._uuid(),
            "context_device_manufacturer": manufacturer,
            "context_device_model": model,
            "context_device_type": platform,
            "context_locale": locale,
            "context_os_name": system,
            "context_network_carrier": pick(rng, list(_CARRIERS)),
            "context_traits_taxfix_language": pick(rng, ["en-DE", "de-DE"]),
        }
        facts |= {name: value for name, value in optional.items() if rng.random() >= OPTIONAL_MISSING}
        todo = ["registration_initiated"] if rng.random() < 0.8 else []  # the others have registered before
        todo += [pick(rng, list(_OTHER_EVENTS)) for _ in range(int(rng.random() * 5))]
        if rng.random() < 0.45:
            todo.append("submission_success")
        self._users += 1
        return _Person(facts, offset, str(self._users), deque(todo or ["screen_viewed"]))

    def _malformed(self, at: datetime) -> str:
        """A unique body that is not a valid event."""
        event, number = self._event(at), self._uuid()
        faults: list[Callable[[], str]] = [
            lambda: json.dumps(event)[:-40],  # cut off
            lambda: f"GET /{number} HTTP/1.1",
            lambda: json.dumps([event]),
            lambda: json.dumps(number),
            lambda: json.dumps({name: value for name, value in event.items() if name != "id"}),
            lambda: json.dumps(event | {"timestamp": "yesterday"}),
            lambda: json.dumps(event | {"received_at": None}),
            lambda: json.dumps(event | {"user_id": "anonymous"}),
            lambda: json.dumps(event | {"context_network_wifi": "perhaps"}),
            lambda: json.dumps(event | {"event_text": "registrationInitiated " * 10}),
            lambda: json.dumps(event | {"context_device_model": "iPhone\0"}),
        ]
        return pick(self._rng, faults)()

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4)).upper()


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
