"""Which settings there are: what each holds, an example, whether it is a secret, and what its value must look like.

Belongs here: the settings as data, and the form of a value. Does not belong here: reading values (`environment`), or listing them with
pydantic-settings (`listing`), whose import takes longer than many a command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from stori_pipeline.settings.addresses import ESCAPES, is_unescaped

PREFIX = "STORI_"
_LONGEST_LAG = 8_760 * 3_600
_SECRET_ARN = "arn:aws:secretsmanager:"  # noqa: S105  (the beginning of an address)


class SettingError(RuntimeError):
    """A setting is missing or invalid. The message says its name and what it should hold, and never the value of a secret."""


def is_secret_arn(value: str) -> bool:
    """Whether a value is the ARN of a secret in Secrets Manager, which holds the value itself."""
    return value.startswith(_SECRET_ARN)


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        meaning: what it holds, as a noun phrase.
        problem: given a value, says what is wrong with it, as a clause; "" if nothing is.
        secret: whether its value contains a password or a key.
        default: what holds if it is not set; "" if nothing does.
    """

    name: str
    meaning: str
    example: str
    problem: Callable[[str], str]
    secret: bool = False
    default: str = ""

    def refuse(self, value: str) -> None:
        """Raises SettingError if the value is invalid."""
        if problem := self.problem(value):
            raise SettingError(f"{self.name} {problem}; it should hold {self.meaning}, such as {self.example}")


def _ports(value: str) -> str:
    """What is wrong with the ports of an address. It may name several hosts, with commas."""
    hosts = re.sub(r"^[\w+.-]+://", "", value).split("/", 1)[0].split("?", 1)[0].rpartition("@")[2]
    for host in hosts.split(","):
        port = re.sub(r"^\[[^]]*\]", "", host).partition(":")[2]
        if port and not (port.isdigit() and 0 < int(port) < 65_536):
            return f"has a port that is no number from 1 to 65535; {ESCAPES}"
    return ""


def url(*schemes: str) -> Callable[[str], str]:
    """The form of an address with one of these schemes; with any scheme if none is given."""

    def problem(value: str) -> str:
        scheme = value.partition("://")[0] if "://" in value else ""
        if schemes and scheme not in schemes:
            return f"does not begin with {' or '.join(f'{each}://' for each in schemes)}"
        if is_unescaped(value):
            return f"has a password with a special character that is not escaped; {ESCAPES}"
        return _ports(value) if scheme else ""

    return problem


def pattern(expression: str, what: str) -> Callable[[str], str]:
    return lambda value: "" if re.fullmatch(expression, value) else f"is not {what}"


_POSTGRES = url("postgresql", "postgres")
_BUCKET = pattern(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket")


def seconds_of(duration: str) -> int:
    """A duration such as `30s`, `2min` or `1h` in seconds; 0 if the text is none."""
    found = re.fullmatch(r"([0-9]{1,12})(s|min|h)", duration)
    return int(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2]] if found else 0


def _lag(value: str) -> str:
    seconds = seconds_of(value)
    if not seconds:
        return f"is {value!r} and not a whole number above zero and s, min or h, without a blank, such as 30s"
    return f"is {value!r} and more than a year (8760h)" if seconds > _LONGEST_LAG else ""


def _any(_: str) -> str:
    return ""


SETTINGS = (
    Setting(
        "STORI_WAREHOUSE",
        "the address of the warehouse with the role that loads",
        "postgresql://loader:…@cluster:5439/dev",
        _POSTGRES,
        secret=True,
    ),
    Setting(
        "STORI_WAREHOUSE_READER",
        "the address of the warehouse with a role that may only read, for the API",
        "postgresql://reader:…@cluster:5439/dev",
        _POSTGRES,
        secret=True,
    ),
    Setting(
        "STORI_COPY_ROLE",
        "the ARN of the role that COPY reads S3 with",
        "arn:aws:iam::123456789012:role/copy",
        pattern(r"arn:aws[\w-]*:iam::\d*:role/.+|default", "the ARN of a role"),
    ),
    Setting("STORI_LANDING_BUCKET", "the name of the S3 bucket for landed batches", "shop-landing", _BUCKET),
    Setting("STORI_PROCESSED_BUCKET", "the name of the S3 bucket for star tables and charts", "shop-processed", _BUCKET),
    Setting(
        "STORI_DAGSTER_STORAGE",
        "the address of a Postgres database for Dagster's own storage",
        "postgresql://dagster:…@host/dagster",
        url("postgresql", "postgres", "postgresql+psycopg2"),
        secret=True,
    ),
    Setting("STORI_API_KEY", "the key that requests to the API must carry; without it the API is open", "a random text", _any, secret=True),
    Setting(
        "STORI_API_RATE",
        "how many requests one client may send to an API with a key",
        "60/minute",
        pattern(r"\d+ ?(/|per) ?\d* ?(second|minute|hour|day|month|year)s?(;.*)?", "a rate"),
        default="60/minute",
    ),
    Setting(
        "STORI_ALERT_TOPIC",
        "the ARN of the SNS topic for alerts",
        "arn:aws:sns:eu-west-2:123456789012:stori-alerts",
        pattern(r"arn:aws[\w-]*:sns:[\w-]+:\d*:\S+", "the ARN of an SNS topic"),
    ),
    Setting(
        "STORI_ALERT_WEBHOOK",
        "the address of a Slack webhook for alerts",
        "https://hooks.slack.com/services/…",
        url("https", "http"),
        secret=True,
    ),
    Setting(
        "STORI_UI_URL",
        "the address of Dagster's UI, for links in alerts",
        "https://dagster.example.com",
        url("https", "http"),
        default="http://127.0.0.1:3000",
    ),
    Setting(
        "STORI_TARGET_LAG",
        "how late a table may be, unless its definition says so: a number of seconds, minutes or hours",
        "5s",
        _lag,
        default="2min",
    ),
    Setting(
        "STORI_READ_CONNECTIONS",
        "over how many connections at most a large Postgres table is read",
        "4",
        pattern(r"[1-9]|1[0-6]", "a number of connections from 1 to 16"),
        default="2",
    ),
    Setting(
        "STORI_KEEP_RUNS_DAYS",
        "for how many days Dagster keeps a run and its events",
        "14",
        pattern(r"[1-9]\d{0,3}", "a number of days from 1 to 9999"),
        default="14",
    ),
    Setting("STORI_METRICS", "1 to send metrics to CloudWatch", "1", pattern(r"[01]", "0 or 1"), default="0"),
    Setting("STORI_LOG", "json to write logs as JSON", "json", pattern(r"json|text", "json or text"), default="text"),
    Setting(
        "STORI_PROJECT",
        "the module that declares the project, where there is no pyproject.toml",
        "shop.project",
        pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "the name of a module"),
    ),
)

_KNOWN = {setting.name: setting for setting in SETTINGS}
_NAMED = re.compile(r"STORI_(SOURCE|ADMIN)_\w+")


def source_setting(source: str) -> Setting:
    """The setting of a source's address."""
    return Setting(
        f"STORI_SOURCE_{source.upper()}",
        f"the address of the source {source!r}, with a role that may only read",
        "postgresql://reader:…@host/db",
        url(),
        secret=True,
    )


def setting_of(name: str) -> Setting | None:
    """The setting of that name; None if there is none."""
    if name in _KNOWN:
        return _KNOWN[name]
    if not _NAMED.fullmatch(name):
        return None
    if name.startswith("STORI_SOURCE_"):
        return source_setting(name.removeprefix("STORI_SOURCE_").lower())
    meaning = f"the address of the source {name.removeprefix('STORI_ADMIN_').lower()!r} with a role that may write, for sample data"
    return Setting(name, meaning, "postgresql://app:…@host/db", url(), secret=True)


def unknown(names: Iterable[str], sources: Collection[str] | None = None) -> list[str]:
    """A sentence for each name `STORI_...` that nothing reads, with the nearest one that something does.

    Args:
        sources: names of the project's sources; without them, any source may exist.
    """
    known = [*_KNOWN, *(f"STORI_{kind}_{source.upper()}" for source in sources or () for kind in ("SOURCE", "ADMIN"))]
    sentences = []
    for name in sorted(names):
        stray = not _NAMED.fullmatch(name) or (sources is not None and name not in known)
        if name.startswith(PREFIX) and name not in _KNOWN and stray:
            import difflib  # only for this error

            near = difflib.get_close_matches(name, known, 1, 0.6)
            sentences.append(f"{name} is set, but there is no such setting" + (f"; did you mean {near[0]}?" if near else ""))
    return sentences
