"""Connections to a queue, and the translation of its errors into SourceErrors.

Belongs here: the requests to SQS, with timeouts, and the meaning of its errors. Does not belong here: when requests are sent (`reading`),
or turning messages into rows (`messages`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from stori_pipeline.readers import SourceError, SourceUnavailable
from stori_pipeline.settings import aws
from stori_pipeline.settings.foreign import hint

MESSAGES_AT_ONCE = 10
"""The most messages that SQS returns, or deletes, in one request."""

_PEEK_SECONDS = 5  # how long peeked messages stay hidden if they cannot be returned to the queue
_MISSING = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
_TRANSIENT = {
    "InternalError",
    "InternalFailure",
    "KMS.ThrottlingException",
    "KmsThrottled",
    "OverLimit",
    "RequestThrottled",
    "RequestTimeout",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
}


@dataclass(frozen=True)
class Message:
    """A received message. `sent` is in milliseconds since 1970; `handle` deletes the message or returns it to the queue."""

    id: str
    handle: str
    sent: int
    body: str


class Connection:
    """One queue. Safe to use from several threads."""

    def __init__(self, client: Any, url: str, where: str) -> None:
        self._client = client
        self._url = url
        self.where = where
        """The table and the queue, for errors."""

    def waiting(self) -> int:
        """The approximate number of messages that can be received now; SQS has no exact number."""
        name = "ApproximateNumberOfMessages"
        with self._translated():
            return int(self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])["Attributes"][name])

    def receive(self, count: int, *, wait: int, hidden: int) -> list[Message]:
        """Up to `count` messages, hidden from other receivers for `hidden` seconds; empty if none came within `wait` seconds.

        With `wait` 0, SQS asks only some of its servers and may miss messages on others.
        """
        with self._translated():
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=wait,
                VisibilityTimeout=hidden,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
        return [
            Message(each["MessageId"], each["ReceiptHandle"], int(each["Attributes"]["SentTimestamp"]), each["Body"])
            for each in answer.get("Messages", [])
        ]

    def peek(self) -> list[Message]:
        """Up to ten messages that wait, given back at once. For a person who asks for a definition, not for a check: SQS counts each time
        that a message is received, and after too many times moves it to the dead-letter queue."""
        messages = self.receive(MESSAGES_AT_ONCE, wait=0, hidden=_PEEK_SECONDS)
        self.hide([each.handle for each in messages], 0)
        return messages

    def delete(self, handles: Sequence[str]) -> list[str]:
        """Deletes up to ten messages; returns the handles of the messages that SQS could not delete."""
        entries = [{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(handles)]
        with self._translated():
            answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return [handles[int(each["Id"])] for each in answer.get("Failed", [])]

    def hide(self, handles: Sequence[str], seconds: int) -> None:
        """Hides up to ten messages from other receivers for `seconds` from now; 0 returns them to the queue. Ignores expired handles."""
        entries = [{"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": seconds} for n, handle in enumerate(handles)]
        if entries:
            with self._translated():
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translates the errors of boto3 into SourceErrors."""
        from botocore import exceptions as boto

        try:
            yield
        except boto.ClientError as error:
            raise _of_answer(self.where, error) from error
        except boto.NoCredentialsError as error:
            raise SourceError(f"{self.where}: no AWS credentials were found; give the pipeline a role, or set AWS_ACCESS_KEY_ID") from error
        except (boto.HTTPClientError, boto.ConnectionError) as error:
            raise SourceUnavailable(
                f"{self.where}: the queue cannot be reached: {error}. Is the address right, and the network up?{hint('aws', error)}"
            ) from error
        except boto.BotoCoreError as error:
            raise SourceError(f"{self.where}: {error}") from error


def _of_answer(where: str, error: Any) -> SourceError:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in _MISSING:
        return SourceError(f"{where}: there is no such queue. Create it, or correct the source's address")
    if code in _TRANSIENT or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return SourceUnavailable(f"{where}: the queue could not answer just now: {code} {message}")
    if "AccessDenied" in code:
        needs = "sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes"
        return SourceError(f"{where}: the queue refuses the reader: {message}. Its role needs {needs} on the queue")
    return SourceError(f"{where}: the queue refused: {code} {message}")


_REGION = re.compile(r"(?:^|[.])sqs[.-]([a-z0-9-]+)[.]|^([a-z0-9-]+)[.]queue[.]amazonaws[.]")


def opened(url: str, table: str, source: str) -> Connection:
    """The queue that the source's address names. `table` and `source` are the names in errors.

    Raises:
        SourceError: the address is not that of a queue, or AWS is not configured.
    """
    from botocore.exceptions import BotoCoreError

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.count("/") < 2:
        raise SourceError(
            f"{table}: the address of the source {source!r} is not that of a queue; it should look like "
            "https://sqs.eu-central-1.amazonaws.com/123456789012/queue"
        )
    # The queue's address gives the address of the service. AWS uses no password in it, so one is not passed on.
    host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    address, where = f"{parts.scheme}://{host}", f"{table} at {host}{parts.path}"
    region = _REGION.search(parts.hostname)
    try:
        client = _client(address, (region[1] or region[2]) if region else None)
    except (BotoCoreError, ValueError) as error:
        raise SourceError(f"{where}: {error}{hint('aws', error)}") from error
    return Connection(client, address + parts.path, where)


@lru_cache(maxsize=8)
def _client(address: str, region: str | None) -> Any:
    """Cached, because creating a client takes longer than most requests. Threads may share it; it renews a role's credentials itself."""
    from botocore.config import Config  # slow to import

    retries: Any = {"mode": "standard", "total_max_attempts": 3}
    config = Config(retries=retries, connect_timeout=5, read_timeout=30, max_pool_connections=32)
    return aws.session().client("sqs", endpoint_url=address, region_name=region, config=config)
