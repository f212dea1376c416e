"""The application's collector: it sends what devices say to the queue, and remembers what it sent.

Belongs here: sending, one by one or many at once. Does not belong here: what is sent (`events`), or when (`workload`).
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
"""How many messages the sample data has, from the days before it is made."""

DAYS = 30
_AT_ONCE = 10
_THREADS = 8
_BURST = 25


class EventProducer:
    """Sends to the queue at an address. Its methods return whether they sent anything.

    `valid` holds every event sent, by its id; `malformed` the body of every message that none can be made of.
    """

    def __init__(self, sqs: Any, url: str, rng: random.Random) -> None:
        self._sqs, self._url = sqs, url
        self._traffic = Traffic(rng)
        self.valid: dict[str, Event] = {}
        self.malformed: list[str] = []
        self.messages = 0
        """How many were sent, duplicates included."""

    @classmethod
    @contextmanager
    def open(cls, url: str, seed: int, *, since: datetime | None = None) -> Iterator[EventProducer]:
        """The producer of what happens from `since` on, which is now unless it is said. The same seed and moment give the same events.

        Raises:
            SampleError: the queue cannot be reached, or refused.
        """
        import boto3  # heavy: only where something is sent
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
            raise SampleError(f"the queue at {url} cannot be sent to: {error}. `stori up` starts the local one") from error

    def event(self) -> bool:
        """The next message of whoever is in the application."""
        self._send([self._traffic.next(utc_now())])
        return True

    def burst(self) -> bool:
        """Many at once, as after a notification to everybody."""
        now = utc_now()
        return self.send(self._traffic.next(now) for _ in range(_BURST)) == _BURST

    def past(self, count: int, *, until: datetime, days: float, progress: Callable[[int, int], None] = lambda _done, _total: None) -> int:
        """So many messages from the days before a moment, in order; returns how many were sent."""
        step = timedelta(days=days) / max(1, count)
        begin = until - timedelta(days=days)
        return self.send((self._traffic.next(begin + n * step) for n in range(count)), lambda done: progress(done, count))

    def send(self, messages: Iterator[Sent], progress: Callable[[int], None] = lambda _done: None) -> int:
        """Sends them ten at a time from several threads, and so in about that order; returns how many."""
        done = 0
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="send") as pool:
            # So many are on their way at once: those yet to come are not made before there is room.
            while some := list(islice(messages, _THREADS * 4 * _AT_ONCE)):
                list(pool.map(self._send, [some[start : start + _AT_ONCE] for start in range(0, len(some), _AT_ONCE)]))
                done += len(some)
                progress(done)
        return done

    def _send(self, some: Sequence[Sent]) -> None:
        entries = [{"Id": str(n), "MessageBody": each.body} for n, each in enumerate(some)]
        answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        if failed := answer.get("Failed"):
            raise SampleError(f"the queue at {self._url} refused {len(failed)} messages: {failed[0].get('Message')}")
        self.messages += len(some)
        for each in some:
            if each.event is None:
                self.malformed.append(each.body)
            else:
                self.valid[each.event["id"]] = each.event


def write_events(
    url: str,
    count: int = EVENTS,
    *,
    seed: int,
    until: datetime | None = None,
    days: float = DAYS,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Sends so many messages from the days before `until`, by default now, to the queue at `url`; returns how many.

    Raises:
        SampleError: the queue cannot be reached, or refused.
    """
    end = until or utc_now()
    with EventProducer.open(url, seed, since=end) as producer:
        return producer.past(count, until=end, days=days, progress=progress)
