"""Queues of the local SQS, for tests: creating, filling and reading them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@dataclass(frozen=True)
class TestQueue:
    """One queue and its dead-letter queue."""

    __test__ = False

    sqs: Any
    url: str
    dead_url: str

    def send(self, *bodies: object) -> None:
        """Each a text as it is, or anything else as JSON."""
        texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
        for start in range(0, len(texts), 10):
            entries = [{"Id": str(n), "MessageBody": text} for n, text in enumerate(texts[start : start + 10])]
            assert not self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries).get("Failed")

    def counts(self, url: str = "") -> tuple[int, int]:
        """How many messages wait, and how many someone holds."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=["All"])["Attributes"]
        waiting, held = (int(attributes[name]) for name in COUNTS)
        return waiting, held

    def left(self) -> int:
        """Those that are in either queue."""
        return sum((*self.counts(), *self.counts(self.dead_url)))

    def bodies(self) -> Sequence[str]:
        """Ten of those that wait, which are then held for a while."""
        return [m["Body"] for m in self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])]

    def receipts(self) -> Sequence[int]:
        """How often SQS has handed over each of ten that wait, this time included; they are then held for a while."""
        name = "ApproximateReceiveCount"
        found = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=[name])
        return [int(message["Attributes"][name]) for message in found.get("Messages", [])]


@contextmanager
def queue(*, receives: int = 100) -> Iterator[TestQueue]:
    """An empty queue at the SQS in the environment, deleted afterwards. After `receives` deliveries a message goes to the dead letters."""
    sqs: Any = boto3.session.Session().client("sqs")
    name = f"events-{uuid.uuid4().hex[:8]}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": str(receives)})
    test_queue = TestQueue(sqs, sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"], dead)
    try:
        yield test_queue
    finally:
        for url in (test_queue.url, test_queue.dead_url):
            sqs.delete_queue(QueueUrl=url)
        sqs.close()
