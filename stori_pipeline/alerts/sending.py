"""The channels that deliver messages: an SNS topic and a webhook.

Belongs here: sending one message. Does not belong here: composing messages, and retries (the sensor's next evaluation retries). The
webhook's address is a secret, since anyone who has it can post to the channel: no error of this module quotes the HTTP client.
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

_CONNECT, _READ = 3.0, 5.0  # seconds; an evaluation of the sensor has a minute, and skips a channel after its first failure


class SendError(RuntimeError):
    """The channel refused the message, or did not confirm it. The error text contains no secret."""


class Channel(Protocol):
    """Delivers messages. `name` identifies the channel in `Message.to`."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> None:
        """Deliver the message.

        Raises:
            SendError: the channel did not accept it.
        """


class SnsTopic:
    """An SNS topic. Its subscriptions, such as e-mail addresses, are configured in AWS.

    Each message has the attributes `id` and `state`: a subscriber recognises duplicates by `id`, and `state` is `begun` or `over`.
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
            raise SendError(f"{TOPIC} should hold a topic's ARN, such as arn:aws:sns:eu-west-2:123456789012:stori-alerts, not {self._arn}")
        config = Config(connect_timeout=_CONNECT, read_timeout=_READ, retries={"total_max_attempts": 1})
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in (("id", message.id), ("state", message.state))}
        try:
            # Creating a client takes 0.1 s, so one client sends all messages of an evaluation.
            self._client = self._client or boto3.client("sns", config=config, region_name=parts[3])
            self._client.publish(TopicArn=self._arn, Subject=message.subject, Message=message.body, MessageAttributes=attributes)
        except ClientError as error:
            raise SendError(f"SNS refused a message to {self._arn}: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise SendError(f"SNS cannot be reached for {self._arn}: {type(error).__name__}") from error


class Webhook:
    """A webhook that accepts Slack's JSON."""

    name = "webhook"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, message: Message) -> None:
        import httpx
        from botocore.exceptions import BotoCoreError, ClientError

        # httpx logs the address of every request, which is the secret.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        try:
            address = self._settings.secret(WEBHOOK)
        except (BotoCoreError, ClientError) as error:
            raise SendError(f"{WEBHOOK} cannot be fetched from Secrets Manager: {type(error).__name__}") from error
        try:
            response = httpx.post(address, json=message.as_slack(), timeout=httpx.Timeout(_READ, connect=_CONNECT))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SendError(f"the webhook of {WEBHOOK} cannot be reached: {type(error).__name__}") from None
        if not response.is_success:
            raise SendError(f"the webhook of {WEBHOOK} answered {response.status_code}")


def configured_channels(settings: Settings) -> Sequence[Channel]:
    """The channels whose setting is set."""
    configured: list[Channel] = []
    if arn := settings.environ.get(TOPIC):
        configured.append(SnsTopic(arn))
    if settings.environ.get(WEBHOOK):
        configured.append(Webhook(settings))
    return configured
