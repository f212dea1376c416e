"""The queues of the local SQS: moto's queues with a message store of our own.

Belongs here: storing and selecting messages, and creating queues and topics. Does not belong here: the protocol of SQS, which is moto's.
moto reads every message of a queue for each one received or deleted, without a lock: 100,000 messages are too slow, and two clients may
lose or share messages. Here each operation takes constant time and holds a lock. Messages are lost when the server ends.
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
"""The suffix of a dead-letter queue's name."""

MAX_RECEIVES = 100
"""A message that was received this often goes to the dead-letter queue. A reader deletes every message whatever its content, so only
landings that fail repeatedly get there, and operators should have time to fix them first."""

_HANDLE_BYTES = 135  # as long as the handles of SQS
_RETENTION = 14 * 86_400  # seconds; the maximum of SQS


class IndexedQueue(Queue):
    """A standard queue of moto. An outdated receipt handle deletes nothing; SQS allows that."""

    def __init__(self, name: str, region: str, account_id: str, **attributes: Any) -> None:
        self._by_id: dict[str, Message] = {}
        self._ready: OrderedDict[str, Message] = OrderedDict()
        self._hidden: list[tuple[float, int, Message]] = []
        self._numbers = itertools.count()
        self._delays = False  # whether any message was ever delayed; otherwise there are none to count
        self._by_handle: dict[str, Message] = {}
        super().__init__(name, region=region, account_id=account_id, **attributes)

    # ---- the interface of moto's queues

    @property
    def _messages(self) -> list[Message]:
        return list(self._by_id.values())

    @_messages.setter
    def _messages(self, messages: list[Message]) -> None:
        for index in (self._by_id, self._ready, self._hidden, self._by_handle):
            index.clear()
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
            return len(self._by_id) - len(self._ready) - self.approximate_number_of_messages_delayed

    def add_message(self, message: Message) -> None:
        with self._messages_lock:
            self._by_id[message.id] = message
            self._delays = self._delays or message.delayed
            self._place(message)

    def delete_message(self, receipt_handle: str) -> None:
        with self._messages_lock:
            message = self._by_handle.get(receipt_handle)
            if message is None:
                if receipt_handle in self.deleted_messages:
                    return
                raise ReceiptHandleIsInvalid
            if message.receipt_handle == receipt_handle:
                self._remove(message)

    # ---- operations of moto's backend, which `install` redirects to the queue

    def receive(self, count: int, wait: float, visibility: int) -> list[Message]:
        until = time.monotonic() + wait
        with self._messages_lock:
            while True:
                self._wake()
                if received := self._take(count, visibility):
                    return received
                left = until - time.monotonic()
                if left <= 0:
                    return []
                # Messages also become visible as time passes, without a notification.
                self._messages_lock.wait(min(left, 0.2))

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        with self._messages_lock:
            message = self._by_handle.get(receipt_handle)
            if message is None:
                raise ReceiptHandleIsInvalid
            if message.receipt_handle == receipt_handle:
                message.visible_at = _now() + seconds * 1000 if seconds else 0.0
                self._place(message)

    # ---- called with the lock held

    def _take(self, count: int, visibility: int) -> list[Message]:
        received: list[Message] = []
        while self._ready and len(received) < count:
            _, message = self._ready.popitem(last=False)
            policy = self.redrive_policy
            if self.dead_letter_queue is not None and policy and message.approximate_receive_count >= policy["maxReceiveCount"]:
                self._remove(message)
                self.dead_letter_queue.add_message(message)
                continue
            message.mark_received(visibility_timeout=visibility)
            self._by_handle[str(message.receipt_handle)] = message
            self._place(message)
            # A copy, because the next receiver changes the message.
            received.append(copy.copy(message))
        return received

    def _place(self, message: Message) -> None:
        """Put the message among the ready ones or the hidden ones."""
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
            # The message may have been deleted, or hidden for longer: then a later entry of `_hidden` holds it.
            if message.id in self._by_id and max(message.visible_at, message.delayed_until) <= now:
                self._ready[message.id] = message

    def _remove(self, message: Message) -> None:
        self._by_id.pop(message.id, None)
        self._ready.pop(message.id, None)
        handles = {handle for handle in message.all_receipt_handles if handle}
        for handle in handles:
            self._by_handle.pop(handle, None)
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
    """Let moto create its queues as `IndexedQueue`. Call it once, before the server serves."""
    models.Queue = IndexedQueue  # type: ignore[misc]  # moto creates queues of this class
    SQSBackend.receive_message = _receive  # type: ignore[method-assign,assignment]
    SQSBackend.change_message_visibility = _change_visibility  # type: ignore[method-assign]
    # moto calls both for every message, and they took most of the time.
    models.camelcase_to_underscores = lru_cache(maxsize=None)(camelcase_to_underscores)  # type: ignore[attr-defined]
    models.generate_receipt_handle = lambda: secrets.token_urlsafe(_HANDLE_BYTES)  # type: ignore[attr-defined]


def create(region: str, name: str) -> None:
    """Create a queue and its dead-letter queue, if the queue does not exist."""
    backend = sqs_backends[ACCOUNT][region]
    if name in backend.queues:
        return
    dead = backend.create_queue(name + DEAD_SUFFIX, MessageRetentionPeriod=_RETENTION)
    policy = json.dumps({"deadLetterTargetArn": dead.queue_arn, "maxReceiveCount": MAX_RECEIVES})
    backend.create_queue(name, MessageRetentionPeriod=_RETENTION, RedrivePolicy=policy)


def create_topic(region: str, name: str, queue: str) -> None:
    """Create an SNS topic, and a queue that receives all its messages. Existing ones stay."""
    create(region, queue)
    backend = sns_backends[ACCOUNT][region]
    topic = backend.create_topic(name)
    backend.subscribe(topic.arn, sqs_backends[ACCOUNT][region].get_queue(queue).queue_arn, "sqs")
