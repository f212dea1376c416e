"""Secrets of Secrets Manager, kept for some minutes.

Belongs here: fetching and forgetting them. Does not belong here: which settings may be secrets (`declared`).
"""

from __future__ import annotations

import time

SECRET_SECONDS = 300.0
"""How long a fetched secret is cached, because every step of a run and every tick of a sensor needs several. A connection that fails
forgets them all, so a rotated secret is noticed at the next attempt."""

_MOST_SECRETS = 64
_secrets: dict[str, tuple[float, str]] = {}


def fetch(arn: str) -> str:
    """The secret's value, at most `SECRET_SECONDS` old."""
    fetched_at, value = _secrets.get(arn, (0.0, ""))
    if value and time.monotonic() - fetched_at < SECRET_SECONDS:
        return value
    import boto3  # slow to import, and needed only if a setting is a secret's ARN

    value = str(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    if len(_secrets) >= _MOST_SECRETS:
        _secrets.clear()
    _secrets[arn] = (time.monotonic(), value)
    return value


def forget() -> None:
    """Fetch every secret again when it is next needed: a server refused one, which may have been rotated."""
    _secrets.clear()
