"""Where things are and the secrets to reach them: the one place that reads the environment.

Belongs here: names of settings, and turning them into values. Does not belong here: defaults that only a laptop wants
(`stori up` writes those to `.env`), or any connection.

On a laptop the values come from `.env`, on AWS from the task's environment; a value that is the ARN of a Secrets Manager
secret is fetched from there. Secret values never appear in a repr, a log or an error.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class SettingError(RuntimeError):
    """A setting is missing or malformed. The message names it and what it should hold."""


SECRET_SECONDS = 300.0
"""How long a fetched secret is used without asking again: every step of a run and every look of a sensor needs several. A secret that is
replaced is noticed as late as that, so the old one should be valid for a while longer, as rotation by Secrets Manager keeps it."""

_MOST_SECRETS = 64
_secrets: dict[str, tuple[float, str]] = {}


def _secret(arn: str) -> str:
    fetched_at, value = _secrets.get(arn, (0.0, ""))
    if value and time.monotonic() - fetched_at < SECRET_SECONDS:
        return value
    import boto3  # heavy, and needed only where a setting is kept in Secrets Manager

    value = str(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    if len(_secrets) >= _MOST_SECRETS:
        _secrets.clear()
    _secrets[arn] = (time.monotonic(), value)
    return value


@functools.lru_cache(maxsize=2)
def _dotenv(file: Path, changed: int, size: int) -> dict[str, str]:  # noqa: ARG001  (when it changed is part of the cache's key)
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(file).items() if value is not None}


@dataclass(frozen=True)
class Settings:
    """What the pipeline is told about its surroundings. `environ` holds secrets, hence no repr."""

    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def load(cls) -> Settings:
        """From the process's environment, with `.env` of the working directory behind it where there is one."""
        try:
            there = (file := Path.cwd() / ".env").stat()
        except FileNotFoundError:
            return cls(dict(os.environ))
        return cls({**_dotenv(file, there.st_mtime_ns, there.st_size), **os.environ})

    def require(self, name: str, meaning: str) -> str:
        value = self.environ.get(name, "")
        if not value:
            raise SettingError(f"{name} is not set: it should hold {meaning}. On a laptop, `stori up` writes it to .env")
        return _secret(value) if value.startswith("arn:aws:secretsmanager:") else value

    def secret(self, name: str) -> str:
        """A setting that may be missing, then "", and may be kept in Secrets Manager."""
        return self.require(name, "") if self.environ.get(name) else ""

    def source_url(self, source: str) -> str:
        """The address of the source called `source`, credentials of its read-only role included."""
        return self.require(
            f"STORI_SOURCE_{source.upper()}", f"the address of the source {source!r}, such as postgresql://reader:…@host/db"
        )

    @property
    def warehouse_url(self) -> str:
        return self.require("STORI_WAREHOUSE", "the address of the warehouse, such as postgresql://loader:…@cluster:5439/dev")

    @property
    def copy_role(self) -> str:
        return self.require("STORI_COPY_ROLE", "the ARN of the role that COPY reads S3 with")

    @property
    def landing_bucket(self) -> str:
        return self.require("STORI_LANDING_BUCKET", "the name of the S3 bucket that batches land in")

    @property
    def processed_bucket(self) -> str:
        return self.require("STORI_PROCESSED_BUCKET", "the name of the S3 bucket that star tables are written to")
