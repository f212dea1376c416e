"""Handing a message to a channel.

Belongs here: a topic of SNS and a webhook. Does not belong here: which messages there are, or trying again (the next look does).

The webhook's address is a secret: whoever has it can write to the channel. So no error of this module quotes what the client says.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from stori_pipeline.alerts.messages import Message
from stori_pipeline.settings import Settings

TOPIC = "STORI_ALERT_TOPIC"
"""The setting that holds the ARN of the topic."""

WEBHOOK = "STORI_ALERT_WEBHOOK"
"""The setting that holds the webhook's address, a secret, or the ARN of the secret in Secrets Manager."""

_CONNECT, _READ = 3.0, 5.0  # seconds; a look has a minute, and stops asking a channel that failed once


class Unsent(RuntimeError):
    """The channel did not take the message, or did not say that it has. It names no address."""


class Channel(Protocol):
    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> None:
        """Raises Unsent."""


class Topic:
    """A topic of SNS. Its subscriptions, such as e-mail addresses, are those of the account.

    Each message has the attributes `id` and `state`, by which a subscriber tells a repetition, and beginnings from ends.
    """

    name = "sns"

    def __init__(self, arn: str) -> None:
        self._arn = arn
        self._client: Any = None

    def send(self, message: Message) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        if len(parts := self._arn.split(":")) != 6:
            raise Unsent(f"{TOPIC} should hold a topic's ARN, such as arn:aws:sns:eu-west-2:123456789012:stori-alerts, not {self._arn}")
        config = Config(connect_timeout=_CONNECT, read_timeout=_READ, retries={"total_max_attempts": 1})
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in (("id", message.id), ("state", message.state))}
        try:
            # A client takes a tenth of a second to make, so there is one for all messages of a look.
            self._client = self._client or boto3.client("sns", config=config, region_name=parts[3])
            self._client.publish(TopicArn=self._arn, Subject=message.subject, Message=message.body, MessageAttributes=attributes)
        except ClientError as error:
            raise Unsent(f"SNS refused a message to {self._arn}: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise Unsent(f"SNS cannot be reached for {self._arn}: {type(error).__name__}") from error


class Webhook:
    """A webhook that takes Slack's JSON."""

    name = "webhook"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, message: Message) -> None:
        import httpx
        from botocore.exceptions import BotoCoreError, ClientError

        # It logs the address of every request.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        try:
            address = self._settings.secret(WEBHOOK)
        except (BotoCoreError, ClientError) as error:
            raise Unsent(f"{WEBHOOK} cannot be fetched from Secrets Manager: {type(error).__name__}") from error
        try:
            answer = httpx.post(address, json=message.as_slack(), timeout=httpx.Timeout(_READ, connect=_CONNECT))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unsent(f"the webhook of {WEBHOOK} cannot be reached: {type(error).__name__}") from None
        if not answer.is_success:
            raise Unsent(f"the webhook of {WEBHOOK} answered {answer.status_code}")


def channels(settings: Settings) -> Sequence[Channel]:
    """Those that are configured."""
    found: list[Channel] = []
    if arn := settings.environ.get(TOPIC):
        found.append(Topic(arn))
    if settings.environ.get(WEBHOOK):
        found.append(Webhook(settings))
    return found
