"""Settings: addresses, names and secrets, from the environment and `.env`.

Belongs here: names of settings, and reading their values. Does not belong here: defaults for a laptop (`stori up` writes them to `.env`),
and connections. If a value is the ARN of a secret in Secrets Manager, the secret is fetched. Secrets never appear in a repr, a log or an
error.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class SettingError(RuntimeError):
    """A setting is missing. The message says its name and what it should hold."""


SECRET_SECONDS = 300.0
"""How long a fetched secret is cached, because every step of a run and every tick of a sensor needs several. A rotated secret is noticed
only after this time, so the old one must stay valid for longer, as it does when Secrets Manager rotates it."""

_MOST_SECRETS = 64
_secrets: dict[str, tuple[float, str]] = {}


def _secret(arn: str) -> str:
    fetched_at, value = _secrets.get(arn, (0.0, ""))
    if value and time.monotonic() - fetched_at < SECRET_SECONDS:
        return value
    import boto3  # slow to import, and needed only if a setting is a secret's ARN

    value = str(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    if len(_secrets) >= _MOST_SECRETS:
        _secrets.clear()
    _secrets[arn] = (time.monotonic(), value)
    return value


@functools.lru_cache(maxsize=2)
def _dotenv(file: Path, changed: int, size: int) -> dict[str, str]:  # noqa: ARG001  (both are part of the cache's key)
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(file).items() if value is not None}


@dataclass(frozen=True)
class Settings:
    """The settings of a process. `environ` holds secrets and is therefore not in the repr."""

    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def load(cls) -> Settings:
        """The settings of the environment, and of `.env` in the working directory if it exists. The environment wins."""
        try:
            status = (file := Path.cwd() / ".env").stat()
        except FileNotFoundError:
            return cls(dict(os.environ))
        return cls({**_dotenv(file, status.st_mtime_ns, status.st_size), **os.environ})

    def require(self, name: str, meaning: str) -> str:
        """The value of a setting; if it is the ARN of a secret, the secret.

        Args:
            meaning: what the setting should hold, for the error.

        Raises:
            SettingError: the setting is missing or empty.
        """
        value = self.environ.get(name, "")
        if not value:
            raise SettingError(f"{name} is not set: it should hold {meaning}. On a laptop, `stori up` writes it to .env")
        return _secret(value) if value.startswith("arn:aws:secretsmanager:") else value

    def secret(self, name: str) -> str:
        """The value of an optional setting, or "". If it is the ARN of a secret, the secret."""
        return self.require(name, "") if self.environ.get(name) else ""

    def source_url(self, source: str) -> str:
        """The address of a source, with the credentials of its read-only role. Errors as for `require`."""
        return self.require(
            f"STORI_SOURCE_{source.upper()}", f"the address of the source {source!r}, such as postgresql://reader:…@host/db"
        )

    @property
    def warehouse_url(self) -> str:
        """The address of the warehouse, with the credentials of the role that loads. Errors as for `require`."""
        return self.require("STORI_WAREHOUSE", "the address of the warehouse, such as postgresql://loader:…@cluster:5439/dev")

    @property
    def copy_role(self) -> str:
        """The ARN of the role that COPY uses to read S3. Errors as for `require`."""
        return self.require("STORI_COPY_ROLE", "the ARN of the role with which COPY reads S3")

    @property
    def landing_bucket(self) -> str:
        """The S3 bucket of landed batches. Errors as for `require`."""
        return self.require("STORI_LANDING_BUCKET", "the name of the S3 bucket for landed batches")

    @property
    def processed_bucket(self) -> str:
        """The S3 bucket of star tables and charts. Errors as for `require`."""
        return self.require("STORI_PROCESSED_BUCKET", "the name of the S3 bucket for star tables and charts")
