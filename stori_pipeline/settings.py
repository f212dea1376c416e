"""Where things are and the secrets to reach them: the one place that reads the environment.

Belongs here: names of settings, and turning them into values. Does not belong here: defaults that only a laptop wants
(`stori up` writes those to `.env`), or any connection.

On a laptop the values come from `.env`, on AWS from the task's environment; a value that is the ARN of a Secrets Manager
secret is fetched from there. Secret values never appear in a repr, a log or an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


class SettingError(RuntimeError):
    """A setting is missing or malformed. The message names it and what it should hold."""


def _secret(arn: str) -> str:
    import boto3  # heavy, and needed only where a setting is kept in Secrets Manager

    value = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    return str(value)


@dataclass(frozen=True)
class Settings:
    """What the pipeline is told about its surroundings. `environ` holds secrets, hence no repr."""

    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def load(cls) -> Settings:
        """From the process's environment, with `.env` of the working directory behind it where there is one."""
        from dotenv import dotenv_values

        behind = {name: value for name, value in dotenv_values(".env").items() if value is not None}
        return cls({**behind, **os.environ})

    def require(self, name: str, meaning: str) -> str:
        value = self.environ.get(name, "")
        if not value:
            raise SettingError(f"{name} is not set: it should hold {meaning}. On a laptop, `stori up` writes it to .env")
        return _secret(value) if value.startswith("arn:aws:secretsmanager:") else value

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
