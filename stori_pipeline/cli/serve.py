"""The command that serves the API: api.

Belongs here: its arguments. Does not belong here: the API.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stori_pipeline.cli.console import plain_errors, say

if TYPE_CHECKING:
    from stori_pipeline.model.project import Project

_log = logging.getLogger(__name__)

_Number = TypeVar("_Number", int, float)


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen at. Set STORI_API_KEY before you open it to others."
)
@click.option("--port", default=8000, show_default=True, help="The port to listen at; 0 takes any free port.")
def api(host: str, port: int) -> None:
    """Serve freshness, charts and what the project adds over HTTP, with a page at / and the documentation at /docs."""
    from stori_pipeline.discovery import current, named_object

    try:
        from stori_pipeline.api import create_app
        from stori_pipeline.api.serving import bind
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; install the extra `api` of this package") from error

    with plain_errors():
        package = current()
        extend = named_object(package.api) if package.api else None
        application = create_app(extend=extend, title=package.name, lags=_lags(package.project), quarantined=_quarantined(package.project))
        server, sock = bind(application, host, port)
        say(f"The API answers at http://{host}:{sock.getsockname()[1]}/ until it is interrupted")
        server.run(sockets=[sock])


def _lags(project: Project) -> Callable[[float], Mapping[str, float]]:
    """The lags of the project's tables, read at most once in some seconds; none while Dagster's storage does not answer."""

    def instants() -> Mapping[str, float]:
        from stori_pipeline.runtime.lag import instants_now  # Dagster is slow to import

        return instants_now(project)

    known = _known("no lag is known", instants)

    def lags(now: float) -> Mapping[str, float]:
        from stori_pipeline.runtime.lag import lags_of

        return lags_of(known(), now)

    return lags


def _quarantined(project: Project) -> Callable[[], Mapping[str, int]]:
    """The rows of the project's tables in quarantine; read likewise."""

    def counts() -> Mapping[str, int]:
        from stori_pipeline.runtime.quarantined import quarantined_now  # as above

        return quarantined_now(project)

    return _known("it is not known what is in quarantine", counts)


def _known(otherwise: str, ask: Callable[[], Mapping[str, _Number]]) -> Callable[[], Mapping[str, _Number]]:
    """What Dagster's storage says, asked at most once in some seconds; nothing while it does not answer."""
    from cachetools import TTLCache, cached

    from stori_pipeline.api.store import CACHE_SECONDS

    answers: TTLCache[Any, Mapping[str, _Number]] = TTLCache(1, CACHE_SECONDS)

    @cached(answers, lock=threading.Lock())
    def known() -> Mapping[str, _Number]:
        try:
            return ask()
        except Exception:  # noqa: BLE001  (the drivers below Dagster's storage have no common class of errors)
            _log.warning("Dagster's storage does not answer, so %s", otherwise, exc_info=True)
            return {}

    return known


COMMANDS = (api,)
