"""The settings of a process: those of the environment and `.env`, read when they are needed.

Belongs here: reading a value, and refusing one that is missing or invalid. Does not belong here: which settings there are (`declared`). If
a value is the ARN of a secret in Secrets Manager, the secret is fetched.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from stori_pipeline.settings import dotenv, secrets
from stori_pipeline.settings.declared import SETTINGS, SettingError, is_secret_arn, seconds_of, setting_of, source_setting, unknown

_log = logging.getLogger(__name__)
_TARGET_LAG = next(each.default for each in SETTINGS if each.name == "STORI_TARGET_LAG")


@functools.cache
def _warn_once(sentence: str) -> None:
    _log.warning("%s", sentence)


@dataclass(frozen=True)
class Settings:
    """The settings of a process. `environ` holds secrets and is therefore not in the repr."""

    environ: Mapping[str, str] = field(repr=False)
    from_file: frozenset[str] = field(default=frozenset(), repr=False)
    """The names whose value is from `.env`."""

    @classmethod
    def load(cls) -> Settings:
        """The settings of the environment, and of `.env` in the working directory if it exists, as both are now.

        The environment wins, but for values that were copied from an earlier content of `.env`. Warns of each name that no setting has,
        once.
        """
        environ, from_file = dotenv.merged()
        for sentence in unknown(environ):
            _warn_once(sentence)
        return cls(environ, from_file)

    def require(self, name: str, meaning: str = "") -> str:
        """The value of a setting; if it is the ARN of a secret, the secret.

        Args:
            meaning: what the setting should hold, for the error, instead of its meaning in `declared`.

        Raises:
            SettingError: the setting is missing, empty or invalid.
        """
        setting, value = setting_of(name), self.environ.get(name, "")
        if not value:
            what = meaning or (setting.meaning if setting else "a value")
            state = "is empty" if name in self.environ else "is not set"
            example = f", such as {setting.example}" if setting else ""
            raise SettingError(f"{name} {state}: it should hold {what}{example}. On a laptop, `stori up` writes it to .env")
        value = secrets.fetch(value) if is_secret_arn(value) else value
        if setting:
            setting.refuse(value)
        return value

    def secret(self, name: str) -> str:
        """The value of an optional setting, or "". If it is the ARN of a secret, the secret. Errors as for `require`."""
        return self.require(name) if self.environ.get(name) else ""

    def source_url(self, source: str) -> str:
        """The address of a source, with the credentials of its read-only role. Errors as for `require`."""
        return self.require(source_setting(source).name)

    @property
    def target_lag(self) -> timedelta:
        """How late a table may be whose definition does not say so. Raises SettingError if the setting is invalid."""
        text = self.require("STORI_TARGET_LAG") if "STORI_TARGET_LAG" in self.environ else _TARGET_LAG
        return timedelta(seconds=seconds_of(text))

    @property
    def warehouse_url(self) -> str:
        """The address of the warehouse, with the credentials of the role that loads. Errors as for `require`."""
        return self.require("STORI_WAREHOUSE")

    @property
    def copy_role(self) -> str:
        """The ARN of the role that COPY uses to read S3. Errors as for `require`."""
        return self.require("STORI_COPY_ROLE")

    @property
    def landing_bucket(self) -> str:
        """The S3 bucket of landed batches. Errors as for `require`."""
        return self.require("STORI_LANDING_BUCKET")

    @property
    def processed_bucket(self) -> str:
        """The S3 bucket of star tables and charts. Errors as for `require`."""
        return self.require("STORI_PROCESSED_BUCKET")

    @property
    def keep_runs_days(self) -> int:
        """For how many days Dagster keeps a run. Raises SettingError if the setting is no such number."""
        return self._number("STORI_KEEP_RUNS_DAYS")

    @property
    def read_connections(self) -> int:
        """Over how many connections at most a large table is read. Raises SettingError if the setting is no such number."""
        return self._number("STORI_READ_CONNECTIONS")

    def _number(self, name: str) -> int:
        declared = setting_of(name)
        return int(self.require(name) if self.environ.get(name) or not declared else declared.default)
