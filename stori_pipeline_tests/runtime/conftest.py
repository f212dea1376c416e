"""Receivers of alerts: a topic of SNS whose messages can be read, and a webhook that stores its messages."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest


@dataclass(frozen=True)
class Inbox:
    """The queue that a topic's messages go to."""

    topic: str
    sqs: Any
    url: str

    def read(self) -> list[dict[str, Any]]:
        """What has arrived since; each with SNS's `Subject`, `Message` and `MessageAttributes`. SNS delivers before it answers here."""
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", []):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def subjects(self) -> list[str]:
        return [message["Subject"] for message in self.read()]


@pytest.fixture
def inbox(platform: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """A topic of the test's own, which the settings name."""
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    name = f"test-{uuid.uuid4().hex[:12]}"
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("STORI_ALERT_TOPIC", topic)
    monkeypatch.setenv("STORI_METRICS", "")
    yield Inbox(topic, sqs, url)
    sqs.delete_queue(QueueUrl=url)
    sns.delete_topic(TopicArn=topic)
    for client in (sns, sqs):
        client.close()


@dataclass
class Hook:
    """A webhook: its address, what it was sent, and what it answers."""

    address: str
    received: list[dict[str, Any]]
    status: int = 200


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A real server on loopback."""
    webhook = Hook("", [])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if webhook.status == 200:
                webhook.received.append(body)
            self.send_response(webhook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    webhook.address = f"http://127.0.0.1:{server.server_port}/services/T0/B0/hushhush"
    yield webhook
    server.shutdown()
    serving.join()
    server.server_close()
