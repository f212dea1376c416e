"""The queues of the local SQS: moto's, with a store that stands many messages and many clients at once.

Belongs here: where a queue's messages are and which may be received, and the queues and topics that the stack begins with. Does not belong
here: SQS's protocol, which is moto's.

moto looks at every message of a queue for each one that is received or deleted, which makes a backlog of a hundred thousand unusable,
and it does so without a lock, so that two clients may lose or share messages. Here each step takes the same time however many there
are, and no two happen at once. Messages are in memory: they live as long as the server.
"""

from __future__ import annotations

import copy
import heapq
import itertools
import json
import secrets
import time
from collections import OrderedDict
from functools import lru_cache
from typing import Any

from moto.core.utils import camelcase_to_underscores
from moto.sns.models import sns_backends
from moto.sqs import models
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend, sqs_backends

from stori_pipeline.local.aws import ACCOUNT

DEAD_SUFFIX = "-dead"
"""What the name of a queue's dead-letter queue ends with."""

MAX_RECEIVES = 100
"""How often a message may be received before it goes to the dead-letter queue. A reader never leaves one behind for what is in it, so
this is for landings that fail again and again; they should have time to be mended first."""

_HANDLE_BYTES = 135  # as long as SQS's own
_KEPT = 14 * 86_400  # seconds that a message lives: the most SQS keeps one


class IndexedQueue(Queue):
    """A standard queue of moto's. An old receipt handle deletes nothing, as SQS warns that it may."""

    def __init__(self, name: str, region: str, account_id: str, **attributes: Any) -> None:
        self._there: dict[str, Message] = {}
        self._ready: OrderedDict[str, Message] = OrderedDict()
        self._hidden: list[tuple[float, int, Message]] = []
        self._numbers = itertools.count()
        self._delays = False  # nothing here delays messages; what nobody does need not be counted
        self._holders: dict[str, Message] = {}
        super().__init__(name, region=region, account_id=account_id, **attributes)

    # ---- what moto asks of its queues

    @property
    def _messages(self) -> list[Message]:
        return list(self._there.values())

    @_messages.setter
    def _messages(self, messages: list[Message]) -> None:
        for forgotten in (self._there, self._ready, self._hidden, self._holders):
            forgotten.clear()
        for message in messages:
            self.add_message(message)

    @property
    def messages(self) -> list[Message]:
        with self._messages_lock:
            self._wake()
            return list(self._ready.values())

    @property
    def approximate_number_of_messages(self) -> int:
        with self._messages_lock:
            self._wake()
            return len(self._ready)

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        with self._messages_lock:
            now = _now()
            return sum(message.delayed_until > now for _, _, message in self._hidden) if self._delays else 0

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        with self._messages_lock:
            self._wake()
            return len(self._there) - len(self._ready) - self.approximate_number_of_messages_delayed

    def add_message(self, message: Message) -> None:
        with self._messages_lock:
            self._there[message.id] = message
            self._delays = self._delays or message.delayed
            self._place(message)

    def delete_message(self, receipt_handle: str) -> None:
        with self._messages_lock:
            message = self._holders.get(receipt_handle)
            if message is None:
                if receipt_handle in self.deleted_messages:
                    return
                raise ReceiptHandleIsInvalid
            if message.receipt_handle == receipt_handle:
                self._forget(message)

    # ---- what moto's backend does with its queues, handed down to them

    def receive(self, count: int, wait: float, visibility: int) -> list[Message]:
        until = time.monotonic() + wait
        with self._messages_lock:
            while True:
                self._wake()
                if received := self._received(count, visibility):
                    return received
                left = until - time.monotonic()
                if left <= 0:
                    return []
                # Messages also become visible by time alone, of which nobody is notified.
                self._messages_lock.wait(min(left, 0.2))

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        with self._messages_lock:
            message = self._holders.get(receipt_handle)
            if message is None:
                raise ReceiptHandleIsInvalid
            if message.receipt_handle == receipt_handle:
                message.visible_at = _now() + seconds * 1000 if seconds else 0.0
                self._place(message)

    # ---- within the lock

    def _received(self, count: int, visibility: int) -> list[Message]:
        received: list[Message] = []
        while self._ready and len(received) < count:
            _, message = self._ready.popitem(last=False)
            policy = self.redrive_policy
            if self.dead_letter_queue is not None and policy and message.approximate_receive_count >= policy["maxReceiveCount"]:
                self._forget(message)
                self.dead_letter_queue.add_message(message)
                continue
            message.mark_received(visibility_timeout=visibility)
            self._holders[str(message.receipt_handle)] = message
            self._place(message)
            # A copy, since the next one to receive it changes what it says.
            received.append(copy.copy(message))
        return received

    def _place(self, message: Message) -> None:
        """Among those that are ready, or among those that will be."""
        due = max(message.visible_at, message.delayed_until)
        if due <= _now():
            self._ready[message.id] = message
            self._messages_lock.notify_all()
        else:
            self._ready.pop(message.id, None)
            heapq.heappush(self._hidden, (due, next(self._numbers), message))

    def _wake(self) -> None:
        now = _now()
        while self._hidden and self._hidden[0][0] <= now:
            _, _, message = heapq.heappop(self._hidden)
            # It may be gone, or hidden for longer since: then a later entry stands for it.
            if message.id in self._there and max(message.visible_at, message.delayed_until) <= now:
                self._ready[message.id] = message

    def _forget(self, message: Message) -> None:
        self._there.pop(message.id, None)
        self._ready.pop(message.id, None)
        handles = {handle for handle in message.all_receipt_handles if handle}
        for handle in handles:
            self._holders.pop(handle, None)
        self.deleted_messages |= handles


def _now() -> float:
    return time.time() * 1000


def _receive(
    self: SQSBackend, queue_name: str, count: int, wait_seconds_timeout: int, visibility_timeout: int, _attributes: object = None
) -> list[Message]:
    queue = self.get_queue(queue_name)
    assert isinstance(queue, IndexedQueue)  # noqa: S101  (for the type checker: `install` made it so)
    return queue.receive(int(count), wait_seconds_timeout, int(visibility_timeout))


def _change_visibility(self: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
    queue = self.get_queue(queue_name)
    assert isinstance(queue, IndexedQueue)  # noqa: S101  (as above)
    queue.change_visibility(receipt_handle, int(visibility_timeout))


def install() -> None:
    """Let moto make its queues of this kind. For a process that serves, before it does."""
    models.Queue = IndexedQueue  # type: ignore[misc]  # that class is what moto makes a queue of
    SQSBackend.receive_message = _receive  # type: ignore[method-assign,assignment]
    SQSBackend.change_message_visibility = _change_visibility  # type: ignore[method-assign]
    # Both are called for every message, and took most of the time.
    models.camelcase_to_underscores = lru_cache(maxsize=None)(camelcase_to_underscores)  # type: ignore[attr-defined]
    models.generate_receipt_handle = lambda: secrets.token_urlsafe(_HANDLE_BYTES)  # type: ignore[attr-defined]


def create(region: str, name: str) -> None:
    """A queue, and beside it the one that takes what was received too often. Nothing happens where they are there."""
    backend = sqs_backends[ACCOUNT][region]
    if name in backend.queues:
        return
    dead = backend.create_queue(name + DEAD_SUFFIX, MessageRetentionPeriod=_KEPT)
    policy = json.dumps({"deadLetterTargetArn": dead.queue_arn, "maxReceiveCount": MAX_RECEIVES})
    backend.create_queue(name, MessageRetentionPeriod=_KEPT, RedrivePolicy=policy)


def create_topic(region: str, name: str, queue: str) -> None:
    """A topic of SNS, and a queue that all its messages go to as well, where they can be read. Nothing happens where they are there."""
    create(region, queue)
    backend = sns_backends[ACCOUNT][region]
    topic = backend.create_topic(name)
    backend.subscribe(topic.arn, sqs_backends[ACCOUNT][region].get_queue(queue).queue_arn, "sqs")
