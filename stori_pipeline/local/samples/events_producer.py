"""The application's collector, which sends the devices' messages to the queue and records them.

Belongs here: sending messages. Does not belong here: generating them (`events`), and when they are sent (`workload`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from stori_pipeline.clock import utc_now
from stori_pipeline.local.samples.events import Event, Sent, Traffic
from stori_pipeline.local.samples.report import SampleError

EVENTS = 20_000
"""The number of messages in the sample data."""

DAYS = 30
"""The sample data's messages are from this many days before they are sent."""

_MAX_PER_REQUEST = 10
_THREADS = 8
_BURST = 25


class EventProducer:
    """Sends messages to the queue at an address. `valid` holds every event sent by its id, and `malformed` the body of every unreadable
    message."""

    def __init__(self, sqs: Any, url: str, rng: random.Random) -> None:
        self._sqs, self._url = sqs, url
        self._traffic = Traffic(rng)
        self.valid: dict[str, Event] = {}
        self.malformed: list[str] = []
        self.messages = 0
        """The number of messages sent, with duplicates."""

    @classmethod
    @contextmanager
    def open(cls, url: str, seed: int, *, since: datetime | None = None) -> Iterator[EventProducer]:
        """A producer. The same seed and the same `since`, which is now by default, give the same events.

        Raises:
            SampleError: the queue does not answer, or refuses.
        """
        import boto3  # a heavy import
        from botocore.exceptions import BotoCoreError, ClientError

        parts = urlsplit(url)
        begin = since or utc_now()
        try:
            sqs: Any = boto3.session.Session().client("sqs", endpoint_url=f"{parts.scheme}://{parts.netloc}")
            try:
                yield cls(sqs, url, random.Random(f"{seed} {begin.isoformat()}"))
            finally:
                sqs.close()
        except (BotoCoreError, ClientError) as error:
            raise SampleError(f"cannot send to the queue at {url}: {error}. `stori up` starts the local queue") from error

    def event(self) -> bool:
        """Send the next message of a person in the application; returns True."""
        self._send([self._traffic.next(utc_now())])
        return True

    def burst(self) -> bool:
        """Send 25 messages at once, as after a notification to everybody; returns True."""
        now = utc_now()
        return self.send(self._traffic.next(now) for _ in range(_BURST)) == _BURST

    def past(self, count: int, *, until: datetime, days: float, progress: Callable[[int, int], None] = lambda _done, _total: None) -> int:
        """Send `count` messages of the `days` before `until`, in order; returns their number."""
        step = timedelta(days=days) / max(1, count)
        begin = until - timedelta(days=days)
        return self.send((self._traffic.next(begin + n * step) for n in range(count)), lambda done: progress(done, count))

    def send(self, messages: Iterator[Sent], progress: Callable[[int], None] = lambda _done: None) -> int:
        """Send messages ten at a time from several threads, in nearly the same order; returns their number."""
        done = 0
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="send") as pool:
            # A bounded number at a time, so that messages are generated only when they can be sent.
            while portion := list(islice(messages, _THREADS * 4 * _MAX_PER_REQUEST)):
                starts = range(0, len(portion), _MAX_PER_REQUEST)
                list(pool.map(self._send, [portion[start : start + _MAX_PER_REQUEST] for start in starts]))
                done += len(portion)
                progress(done)
        return done

    def _send(self, messages: Sequence[Sent]) -> None:
        entries = [{"Id": str(n), "MessageBody": message.body} for n, message in enumerate(messages)]
        response = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        if failed := response.get("Failed"):
            raise SampleError(f"the queue at {self._url} refused {len(failed)} messages: {failed[0].get('Message')}")
        self.messages += len(messages)
        for message in messages:
            if message.event is None:
                self.malformed.append(message.body)
            else:
                self.valid[message.event["id"]] = message.event


def write_events(
    url: str,
    count: int = EVENTS,
    *,
    seed: int,
    until: datetime | None = None,
    days: float = DAYS,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Send `count` messages of the `days` before `until`, by default now, to the queue at `url`; returns their number.

    Raises:
        SampleError: the queue does not answer, or refuses.
    """
    end = until or utc_now()
    with EventProducer.open(url, seed, since=end) as producer:
        return producer.past(count, until=end, days=days, progress=progress)
