"""The kind `http_api`: JSON APIs over HTTP that answer for one day at a time, or with a page of rows at a time.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: reading. `reader` has what can
be asked of a source, `days` and `pages` what changed, `answers` what an answer means as rows, `plausibility` which values are believed,
`scaffolding` definitions of tables that have none, `client` the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.errors import DefinitionError

if TYPE_CHECKING:
    from stori_pipeline.readers import Reader

__all__ = ["CHANGES", "URL_PREFIXES", "ByDay", "ByPage", "Plausible", "RequestLimits", "reader_at", "scaffold"]


@dataclass(frozen=True)
class RequestLimits:
    """How long an API is waited for.

    Args:
        attempts: how often a request is sent in all where the API is away, overloaded or asks to wait.
        longest_wait: seconds of a Retry-After that are waited for. An API that asks for more is asked again by a later run.
        answer_seconds: how long one answer may take in all.
        answer_bytes: how large one answer may be.
    """

    attempts: int = 4
    longest_wait: float = 60.0
    answer_seconds: float = 30.0
    answer_bytes: int = 5_000_000


@dataclass(frozen=True)
class Plausible:
    """A rule for the numbers of a column. What breaks it goes to quarantine, with the code `implausible`.

    A number is plausible if it is more than `above`, and less than `factor` times more or less than the last plausible one of its series.
    A real jump would break that for ever, so a number is taken, too, that is near one which was refused on an *earlier day*: then two
    days agree, and people know of it since the first.

    Args:
        column: the column of the numbers, which are those of one day after the other.
        per: the columns that tell one series from another.
        above: 0 or more, since below zero a factor means nothing.
        factor: 2 or more.
    """

    column: str
    per: tuple[str, ...] = ()
    above: int = 0
    factor: int = 10

    def __post_init__(self) -> None:
        if self.factor < 2 or self.above < 0:
            raise DefinitionError(
                f"Plausible({self.column!r}): a factor is 2 or more and above is 0 or more, not factor={self.factor} and above={self.above}"
            )


@dataclass(frozen=True)
class ByDay(Changes):
    """An API that answers for one day at a time. Missed days are read when it answers again; the newest is read again if it changes.

    A column's `path` is looked for in the row, and where the row has no such member in the answer around it; dots lead into objects. The
    path `$day` is the day of the answer. All paths of requests are below the source's address, whose parameters go with every request.

    Args:
        start: the first day that is read.
        path: the path of a day's rows; `{day}` in it stands for the day: `{day}`, or `reports?on={day}`.
        day_format: how a day is written, in requests and in answers, as for `date.strftime`.
        latest: the path of the newest day's rows. Empty where the API has none: then the newest is the last day up to today, in UTC, that
            the API knows, which takes one request for each day since.
        day_at: where an answer names its day; required with `latest`. An answer for a day without rows may be that of an earlier day.
            Empty where answers do not name their day: then it is the day that was asked for.
        rows_at: where an answer has its rows: an array of objects, or an object with `entry`. Empty: the answer is the array.
        entry: where the rows are the members of one object, what a column's path calls a member's name, and its value.
        unchanging: members of the answer that are the same in all answers. Where one changes, everything is read again.
        expected: members of the answer, and the only value that each may have where the answer has it.
        rules: which values are believed.
        limits: how long the API is waited for.
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
            raise DefinitionError(f"ByDay: path={self.path!r} says nowhere which day is asked for; write {{day}} where the day belongs")
        if self.latest and not self.day_at:
            raise DefinitionError(
                f"ByDay: which day the answer of latest={self.latest!r} is for is not known; say in day_at where it is named"
            )

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        return {"Plausible": tuple(name for rule in self.rules for name in (rule.column, *rule.per))}


@dataclass(frozen=True)
class ByPage(Changes):
    """An API that lists rows a page at a time, oldest first, and goes on after a mark: a row's number, or another value that grows.

    The next reading goes on after the last row's mark. So no row is missed if the API never lists a new or changed row before one that it
    has listed already, and a change is seen if it gives the row a new mark. Paths are as for `ByDay`, without `$day`.

    Args:
        path: the path of the list: `orders`, or `orders?limit=500`.
        after: the parameter that takes the mark. The first page is asked for without it; an answer without rows is the end.
        mark_at: where a row has its mark.
        rows_at: where an answer has its rows, an array of objects. Empty: the answer is the array.
        limits: how long the API is waited for.
    """

    path: str
    after: str
    mark_at: str
    rows_at: str = ""
    limits: RequestLimits = RequestLimits()


CHANGES: tuple[type[ByDay | ByPage], ...] = (ByDay, ByPage)
URL_PREFIXES = ("https://", "http://")


def reader_at(url: str) -> Reader:
    """The reader of the API at an address such as `https://api.example/v1?base=GBP`."""
    from stori_pipeline.readers.http_api.reader import HttpApiReader

    return HttpApiReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`. It looks at the answer of `/latest` or, where the API has no such path, at the list `/<name>`."""
    from stori_pipeline.readers.http_api.scaffolding import scaffold

    return scaffold(url, name, source=source)
