"""The kind `http_api`: JSON APIs over HTTP that answer for one day at a time, or with a page of rows at a time.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: the functions of the reader
(`reader`), reading changes (`days`, `pages`), rows of responses (`answers`), plausible values (`plausibility`), suggested definitions
(`scaffolding`), or requests (`client`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stori_pipeline.model.table import Table
    from stori_pipeline.readers import Reader
    from stori_pipeline.readers.scaffolding import Suggestions

__all__ = [
    "CHANGES",
    "EXAMPLE_URL",
    "GRANTS",
    "URL_PREFIXES",
    "ByDay",
    "ByPage",
    "Plausible",
    "RequestLimits",
    "reader_at",
    "scaffold",
    "suggest",
]


@dataclass(frozen=True)
class RequestLimits:
    """The limits of requests to an API.

    Args:
        attempts: how often a request is sent in total if the API is away, overloaded or asks to wait.
        longest_wait: the longest Retry-After, in seconds, for which a run waits. If the API asks for more, a later run tries again.
        answer_seconds: how long one response may take in total.
        answer_bytes: the largest size of a response.
    """

    attempts: int = 4
    longest_wait: float = 60.0
    answer_seconds: float = 30.0
    answer_bytes: int = 5_000_000


@dataclass(frozen=True)
class Plausible:
    """A rule for the numbers of a column. A row that breaks it goes to quarantine, with the code `implausible`.

    A number is plausible if it is above `above`, and less than `factor` times larger or smaller than the last plausible one of its series.
    After a real jump no number would be plausible, so a number near one that was refused on an *earlier day* is accepted, too: two days
    agree, and people have known of the jump since the first.

    Args:
        column: the column of the numbers, one per day and series.
        per: the columns that identify a series.
        above: 0 or more, because a factor has no meaning below zero.
        factor: 2 or more.

    Raises:
        DefinitionError: `above` or `factor` is out of range.
    """

    column: str
    per: tuple[str, ...] = ()
    above: int = 0
    factor: int = 10

    def __post_init__(self) -> None:
        if self.factor < 2 or self.above < 0:
            raise DefinitionError(
                f"Plausible({self.column!r}): factor must be 2 or more and above 0 or more, not factor={self.factor} and above={self.above}"
            )


@dataclass(frozen=True)
class ByDay(Changes):
    """Reads an API that answers for one day at a time. Missed days are read later; the newest day is read again if it changes.

    A column's `path` names a member of the row or, if the row has no such member, of the response around it; dots lead into objects. The
    path `$day` is the day of the response. Paths of requests are relative to the source's address, whose parameters are sent with every
    request.

    Args:
        start: the first day that is read.
        path: the path of a day's rows; `{day}` in it stands for the day: `{day}`, or `reports?on={day}`.
        day_format: the format of days in requests and responses, as for `date.strftime`.
        latest: the path of the newest day's rows. If empty, the newest day is the last one up to today, in UTC, that the API has; finding
            it takes a request for each day since.
        day_at: where a response names its day; required with `latest`. The response for a day without rows may be that of an earlier day.
            If empty, it is the requested day.
        rows_at: where a response has its rows: an array of objects, or an object with `entry`. If empty, the response is the array.
        entry: if the rows are the members of an object: the paths that columns use for a member's name and for its value. Each day has
            some then; an answer whose object has none goes to quarantine as that day.
        unchanging: members that are the same in all responses. If one changes, everything is read again.
        expected: members of the response, each with the only value that it may have.
        rules: the rules for plausible values.
        limits: the limits of requests.

    Raises:
        DefinitionError: `path` has no `{day}`, or `latest` has no `day_at`.
    """

    start: date
    path: str = "{day}"
    day_format: str = "%Y-%m-%d"
    latest: str = ""
    day_at: str = ""
    rows_at: str = ""
    entry: tuple[str, str] | None = None
    unchanging: tuple[str, ...] = ()
    expected: tuple[tuple[str, object], ...] = ()
    rules: tuple[Plausible, ...] = ()
    limits: RequestLimits = RequestLimits()

    def __post_init__(self) -> None:
        if "{day}" not in self.path:
            raise DefinitionError(f"ByDay: path={self.path!r} does not contain the day; write {{day}} where the day belongs")
        if self.latest and not self.day_at:
            raise DefinitionError(f"ByDay: latest={self.latest!r} needs day_at; say in day_at where the response names its day")

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        return {"Plausible": tuple(name for rule in self.rules for name in (rule.column, *rule.per))}


@dataclass(frozen=True)
class ByPage(Changes):
    """Reads an API that lists rows in pages, oldest first, after a mark: a row's number, or another value that grows.

    The next reading continues after the last row's mark. No row is missed if the API never lists a new or changed row before one that it
    has listed already; a change is seen if it gives the row a new mark. Paths are as for `ByDay`, without `$day`.

    Args:
        path: the path of the list: `orders`, or `orders?limit=500`.
        after: the parameter that takes the mark. The first request is sent without it; a response without rows is the end.
        mark_at: where a row has its mark.
        rows_at: where a response has its rows, an array of objects. If empty, the response is the array.
        limits: the limits of requests.
    """

    path: str
    after: str
    mark_at: str
    rows_at: str = ""
    limits: RequestLimits = RequestLimits()


CHANGES: tuple[type[ByDay | ByPage], ...] = (ByDay, ByPage)
URL_PREFIXES = ("https://", "http://")
EXAMPLE_URL = "https://HOST/PATH?key=VALUE"
GRANTS = """\
A key that may read, as a parameter of the address or as user:password@ in it. The address is a secret then."""


def reader_at(url: str) -> Reader:
    """The reader of the API at an address such as `https://api.example/v1?base=GBP`."""
    from stori_pipeline.readers.http_api.reader import HttpApiReader

    return HttpApiReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`; uses the response of `/latest` or, if the API has no such path, the list `/<name>`."""
    from stori_pipeline.readers.scaffolding import definition

    return definition(suggest(url, source=source, names=[name]).tables[0])


def suggest(
    url: str, *, source: str, names: Sequence[str] = (), known: Sequence[Table] = (), progress: Callable[[str], object] = str
) -> Suggestions:
    """See `readers.suggest`; an API does not list its tables, so `names` are needed."""
    from stori_pipeline.readers.http_api.scaffolding import suggest

    return suggest(url, source=source, names=names, known=known, progress=progress)
