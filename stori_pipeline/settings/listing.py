"""Every setting with its value, where the value comes from, and what is wrong with it, by pydantic-settings.

Belongs here: the typed settings as one model, and showing a value without its secret. Does not belong here: the settings themselves
(`declared`), or printing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from stori_pipeline.settings.addresses import is_unescaped
from stori_pipeline.settings.declared import SETTINGS, Setting, is_secret_arn, source_setting
from stori_pipeline.settings.environment import Settings


@dataclass(frozen=True)
class Listed:
    """One setting as `stori settings` shows it.

    Attributes:
        value: without its secret: of an address, only user and host; "" if it is not set.
        origin: `environment`, `.env`, `default`, or `Secrets Manager` with where its ARN is from; "" if it is not set.
        problem: what is wrong with the value; "" if nothing is.
    """

    name: str
    value: str
    origin: str
    meaning: str
    secret: bool
    problem: str = ""


def list_settings(settings: Settings, sources: Iterable[str]) -> list[Listed]:
    """Every setting of the platform, then the address of each source of the project. Fetches no secret."""
    settings_ = (*SETTINGS, *map(source_setting, sources))
    problems = _problems(settings, settings_)
    return [_listed(each, settings, problems.get(each.name, "")) for each in settings_]


def _problems(settings: Settings, declared: Iterable[Setting]) -> dict[str, str]:
    model = _model(tuple(declared), settings.environ)
    try:
        model()
    except ValidationError as error:
        # Not the error's own text, which quotes the values.
        return {str(each["loc"][0]).upper(): str(each["ctx"]["error"]) for each in error.errors(include_url=False, include_input=False)}
    return {}


def _model(declared: tuple[Setting, ...], environ: Mapping[str, str]) -> type[BaseSettings]:
    """The settings as one model of pydantic-settings, read from what the platform itself reads."""

    class Merged(PydanticBaseSettingsSource):
        def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
            return environ.get(field_name.upper()), field_name, False

        def __call__(self) -> dict[str, Any]:
            return {name: environ[name.upper()] for name in self.settings_cls.model_fields if name.upper() in environ}

    class Base(BaseSettings):
        model_config = SettingsConfigDict(extra="ignore", validate_default=False)

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **__: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (Merged(settings_cls),)

    fields: dict[str, Any] = {
        each.name.lower(): (_type(each), Field(default=None, description=each.meaning, examples=[each.example])) for each in declared
    }
    return create_model("DeclaredSettings", __base__=Base, **fields)


def _type(setting: Setting) -> Any:
    def check(value: str) -> str:
        if not value:
            raise ValueError("is empty")
        if not is_secret_arn(value) and (problem := setting.problem(value)):
            raise ValueError(problem)
        return value

    # A secret is checked before it is wrapped, and never unwrapped again.
    return Annotated[SecretStr, BeforeValidator(check)] if setting.secret else Annotated[str, AfterValidator(check)]


def _listed(setting: Setting, settings: Settings, problem: str) -> Listed:
    name, value = setting.name, settings.environ.get(setting.name)
    if value is None:
        return Listed(name, setting.default, "default" if setting.default else "", setting.meaning, setting.secret)
    origin = ".env" if name in settings.from_file else "environment"
    if is_secret_arn(value):
        return Listed(name, value, f"Secrets Manager, by its ARN in {origin}", setting.meaning, setting.secret, problem)
    shown = value if not setting.secret else "…" if problem else _without_secret(value)
    return Listed(name, shown, origin, setting.meaning, setting.secret, problem)


def _without_secret(value: str) -> str:
    """User and host of an address; of any other value nothing but that it is there."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return "…"
    host = parts.netloc.rpartition("@")[2]
    if not parts.scheme or not host or is_unescaped(value):
        return "…"  # a password with a special character that is not escaped ends anywhere
    return f"{parts.username}@{host}" if parts.username else host
