"""The local SQS: its one queue with the dead letters, many clients at once, and messages that are neither lost nor shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.queues import TestQueue, queue
from stori_pipeline_tests.shipped import EVENTS_QUEUE


@pytest.fixture
def some(local_aws: None) -> Iterator[TestQueue]:
    with queue() as source_queue:
        yield source_queue


def test_the_stack_has_a_queue_of_events_with_a_dead_letter_queue(stack: Stack, local_aws: None) -> None:
    sqs: Any = boto3.session.Session().client("sqs")
    url = stack.environ()["STORI_SOURCE_EVENTS"]
    assert url == sqs.get_queue_url(QueueName=EVENTS_QUEUE)["QueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    assert f":{EVENTS_QUEUE}-dead" in policy
    sqs.purge_queue(QueueUrl=url)  # of what other tests sent: it is the session's
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    stack.up()  # changes nothing where everything runs
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert message["Body"] == "kept"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.close()


def test_of_many_clients_at_once_each_message_goes_to_one_and_none_is_lost(some: TestQueue) -> None:
    def work(client: int) -> list[str]:
        mine: list[str] = []
        some.send(*(f"{client} {n}" for n in range(100)))
        while found := some.sqs.receive_message(QueueUrl=some.url, MaxNumberOfMessages=10).get("Messages"):
            mine += [message["Body"] for message in found]
            entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)]
            assert len(some.sqs.delete_message_batch(QueueUrl=some.url, Entries=entries)["Successful"]) == len(found)
        return mine

    with ThreadPoolExecutor(6) as pool:
        received = Counter(body for bodies in pool.map(work, range(6)) for body in bodies)
    assert received == Counter(f"{client} {n}" for client in range(6) for n in range(100))
    assert some.left() == 0


def test_a_message_is_hidden_for_its_timeout_and_an_old_receipt_deletes_nothing(some: TestQueue) -> None:
    some.send("a")

    def receive(hidden: int, wait: int = 0) -> Any:
        answer = some.sqs.receive_message(
            QueueUrl=some.url, VisibilityTimeout=hidden, WaitTimeSeconds=wait, MessageSystemAttributeNames=["All"]
        )
        return answer["Messages"][0] if answer.get("Messages") else None

    first = receive(1)
    assert receive(1) is None
    second = receive(600, wait=10)  # it waits for the message to come back
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    some.sqs.delete_message(QueueUrl=some.url, ReceiptHandle=first["ReceiptHandle"])
    assert some.counts() == (0, 1)
    some.sqs.change_message_visibility(QueueUrl=some.url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    assert some.counts() == (1, 0)
    third = receive(600)
    some.sqs.delete_message(QueueUrl=some.url, ReceiptHandle=third["ReceiptHandle"])
    some.sqs.delete_message(QueueUrl=some.url, ReceiptHandle=third["ReceiptHandle"])
    assert some.left() == 0


def test_a_message_may_be_sent_for_later(some: TestQueue) -> None:
    some.sqs.send_message(QueueUrl=some.url, MessageBody="later", DelaySeconds=1)
    assert some.counts() == (0, 0)
    assert some.sqs.receive_message(QueueUrl=some.url, WaitTimeSeconds=10)["Messages"][0]["Body"] == "later"
