"""The command that shows the servers of the local stack, and the state of each table: status.

Belongs here: its arguments, what it prints, and asking each store once. Does not belong here: what lag is (`runtime.lag`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stori_pipeline.cli.console import grid, plain_errors, print_json, warn

if TYPE_CHECKING:
    from stori_pipeline.local.stack import Server
    from stori_pipeline.model.project import Project
    from stori_pipeline.model.table import Table
    from stori_pipeline.settings import Settings

_T = TypeVar("_T")


@dataclass(frozen=True)
class TableStatus:
    """The state of one table. A value is None if it is not known: the table was never synced, or what knows it does not answer.

    Attributes:
        lag_seconds: how far the mirror may be behind its source; see `runtime.lag`.
        verified_through: the moment of its source up to which the mirror was last proved equal.
        quarantined: rows of the newest generation that went to quarantine; of a star table those of its computation.
        last_run: when the source was last looked at.
        last_load: when rows were last loaded.
    """

    table: str
    lag_seconds: int | None
    verified_through: datetime | None
    quarantined: int | None
    last_run: datetime | None
    last_load: datetime | None


@dataclass
class _Known:
    """What the stores say of the tables, by full name, and which of them does not answer."""

    lags: Mapping[str, float] = field(default_factory=dict)
    looks: Mapping[str, float] = field(default_factory=dict)
    verified: Mapping[str, datetime] = field(default_factory=dict)
    loads: Mapping[str, datetime] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print servers, tables and problems as JSON, for programs.")
def status(as_json: bool) -> None:
    """Show the servers of the local stack, and each table's lag, last proof, quarantine, last run and last load.

    Exit code 1 if a server of the local stack, the warehouse, the lake or Dagster's storage does not answer. A lag or rows in quarantine
    are no failure.
    """
    from stori_pipeline.clock import utc_now
    from stori_pipeline.discovery import current
    from stori_pipeline.settings import Settings

    settings = Settings.load()
    with plain_errors():
        package = current()
        servers = _servers(settings)
        if not as_json and servers:
            grid("Local stack", ["server", "address", "answers"], [[s.name, s.address, "yes" if s.up else "no"] for s in servers])
        now, asked = utc_now(), settings.environ.get("STORI_WAREHOUSE")
        known = _ask_stores(package.project, settings, now.timestamp()) if asked else _Known()
        tables = [_status(name, known) for name in package.project.mirrors] if asked else []
        undefined = sorted(known.loads.keys() - package.project.mirrors.keys())
    if as_json:
        shown = [{"name": s.name, "address": s.address, "up": s.up} for s in servers]
        listed = [asdict(each) for each in tables]
        print_json({"servers": shown, "tables": listed, "not_defined": undefined, "problems": known.problems})
    elif tables:
        names = ["table", "lag", "verified through", "quarantined", "last run", "last load"]
        grid("Tables", names, [_row(each) for each in tables])
        for problem in known.problems:
            warn(problem)
        for name in undefined:
            warn(f"{name}: the project no longer defines it, so it is neither loaded nor compared; `stori drop-table {name}` removes it")
    if known.problems or not all(server.up for server in servers):
        raise SystemExit(1)


def _servers(settings: Settings) -> list[Server]:
    """The servers of the local stack; none where another stack than the local one is in use, and the local one was never started."""
    from stori_pipeline.cli.stack import HOME

    if not HOME.exists() and settings.environ.get("STORI_WAREHOUSE"):
        return []
    from stori_pipeline.cli.stack import local_stack

    return local_stack().status()


def _ask_stores(project: Project, settings: Settings, now: float) -> _Known:
    """Ask Dagster's storage, the warehouse and the lake at the same time. One that does not answer costs its columns, and is a problem."""
    known = _Known()

    def ask(store: str, question: Callable[[], _T], otherwise: _T) -> _T:
        try:
            with plain_errors():
                return question()
        except click.ClickException as error:
            known.problems.append(f"{store} does not answer: {error.message}")
        except Exception as error:  # noqa: BLE001  (the drivers below Dagster's storage have no common class of errors)
            known.problems.append(f"{store} does not answer: {str(error).strip().partition(chr(10))[0] or type(error).__name__}")
        return otherwise

    with ThreadPoolExecutor(2) as threads:  # Dagster's instance is asked in this thread, which opened it
        loads = threads.submit(ask, "The warehouse", lambda: _loads(settings), ({}, {}))
        rejected = threads.submit(ask, "The lake", lambda: _quarantined(project, settings), {})
        nothing: tuple[dict[str, float], dict[str, float]] = ({}, {})
        known.lags, known.looks = ask("Dagster's storage", lambda: _looks(project, now), nothing)
        (known.loads, known.verified), known.quarantined = loads.result(), rejected.result()
    return known


def _looks(project: Project, now: float) -> tuple[dict[str, float], dict[str, float]]:
    from stori_pipeline.runtime.instance import open_instance
    from stori_pipeline.runtime.lag import lag_seconds, last_looks

    with open_instance() as instance:
        return lag_seconds(instance, project, now), last_looks(instance, project)


def _loads(settings: Settings) -> tuple[dict[str, datetime], dict[str, datetime]]:
    from stori_pipeline.cli.data import warehouse_of
    from stori_pipeline.warehouse.proofs import verified

    warehouse = warehouse_of(settings)
    return {name: load.at for name, load in warehouse.newest_loads().loads.items()}, verified(warehouse)


def _quarantined(project: Project, settings: Settings) -> dict[str, int]:
    from stori_pipeline.lake import Lake, connect
    from stori_pipeline.lake.quarantine import rows_in_quarantine

    client = connect()
    lakes = {False: Lake(client, settings.landing_bucket), True: Lake(client, settings.processed_bucket)}

    def rejected(table: Table) -> int:
        return rows_in_quarantine(lakes[table.is_derived], table)

    with ThreadPoolExecutor(8) as threads:
        return dict(zip(project.mirrors, threads.map(rejected, project.mirrors.values()), strict=True))


def _status(name: str, known: _Known) -> TableStatus:
    lag, look = known.lags.get(name), known.looks.get(name)
    return TableStatus(
        table=name,
        lag_seconds=None if lag is None else int(lag),
        verified_through=known.verified.get(name),
        quarantined=known.quarantined.get(name),
        last_run=None if look is None else datetime.fromtimestamp(look, timezone.utc),
        last_load=known.loads.get(name),
    )


def _row(each: TableStatus) -> list[Any]:
    def moment(value: datetime | None) -> str:
        return "" if value is None else value.strftime("%Y-%m-%d %H:%M:%SZ")

    lag = "" if each.lag_seconds is None else f"{each.lag_seconds:,} s"
    quarantined = "" if each.quarantined is None else each.quarantined
    return [each.table, lag, moment(each.verified_through), quarantined, moment(each.last_run), moment(each.last_load)]


COMMANDS = (status,)
