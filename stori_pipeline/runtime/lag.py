"""How far each mirror may be behind its source: the one definition of lag.

Belongs here: the lag, as `/freshness`, the metric `LagSeconds` and `stori status` show it. Does not belong here: showing it. The lag is the
time since the last look at the source whose result is in the mirror. A look that finds nothing new counts, so a quiet source causes no lag:
a step's, or one of the continuous sync at the heads. Only Dagster's instance knows such looks, since they land and load nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dagster import AssetKey, AssetMaterialization, DagsterInstance

from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.instance import open_instance
from stori_pipeline.runtime.watched import watched_instants

_MOST_LOOKS = 200
"""So many landings are looked through for one that is in the mirror; a mirror that is further behind has at least the oldest one's lag."""


@dataclass(frozen=True)
class _Look:
    """One materialization of a landing or of a mirror. `as_of` is the instant of the source that it shows, in seconds since 1970."""

    order: tuple[int, int]
    as_of: float


def lag_seconds(instance: DagsterInstance, project: Project, now: float) -> dict[str, float]:
    """The lag of each mirror that was ever loaded, in seconds, by full name: `now` less the instant of its source that the mirror shows.

    A star table shows the oldest instant of what it was made from.

    Args:
        now: seconds since 1970.
    """
    return lags_of(mirror_instants(instance, project), now)


def lags_of(instants: Mapping[str, float], now: float) -> dict[str, float]:
    """The lag of each mirror, given the instant of its source that it shows. A clock that was set back gives 0."""
    return {name: max(0.0, now - instant) for name, instant in instants.items()}


def mirror_instants(instance: DagsterInstance, project: Project) -> dict[str, float]:
    """The instant of the source that each mirror shows, in seconds since 1970, by full name. Takes two queries for all tables."""
    keys = [AssetKey(path) for table in project.mirrors.values() for path in (table.landing_path, table.mirror_path)]
    newest = {}
    for record in instance.get_asset_records(keys):
        event = record.asset_entry.last_materialization
        if event is not None and event.asset_materialization is not None:
            newest[record.asset_entry.asset_key] = _look(event.timestamp, event.asset_materialization)
    instants: dict[str, float] = {}
    watched = watched_instants(instance, project)
    inputs = {star.table.full_name: set(star.inputs.values()) for star in project.stars}
    for name, table in project.mirrors.items():  # star tables come after their inputs
        landing, mirror = newest.get(AssetKey(table.landing_path)), newest.get(AssetKey(table.mirror_path))
        if landing is None or mirror is None:
            continue
        seen = watched.get(name, 0.0)
        own = landing.as_of if landing.order <= mirror.order else _last_loaded(instance, table, mirror.order)
        instants[name] = min([max(own, seen), *(instants[each] for each in inputs.get(name, ()) if each in instants)])
    return instants


def _last_loaded(instance: DagsterInstance, table: Table, loaded: tuple[int, int]) -> float:
    """The instant of the newest landing that the mirror has."""
    looks: list[_Look] = []
    for record in instance.fetch_materializations(AssetKey(table.landing_path), limit=_MOST_LOOKS).records:
        if record.asset_materialization is not None:
            looks.append(_look(record.timestamp, record.asset_materialization))
            if looks[-1].order <= loaded:
                break
    return looks[-1].as_of


def _look(at: float, materialization: AssetMaterialization) -> _Look:
    values: Mapping[str, Any] = {name: value.value for name, value in materialization.metadata.items()}
    instant = values.get("source_snapshot") or at - float(values.get("seconds", 0.0))
    return _Look((int(values.get("generation", 0)), int(values.get("batch", 0))), float(instant))


def last_looks(instance: DagsterInstance, project: Project) -> dict[str, float]:
    """When each table was last looked at, by its landing or by the continuous sync, in seconds since 1970, by full name."""
    watched = watched_instants(instance, project)
    names = {AssetKey(table.landing_path): name for name, table in project.mirrors.items()}
    looks = {}
    for record in instance.get_asset_records(list(names)):
        if (event := record.asset_entry.last_materialization) is not None:
            name = names[record.asset_entry.asset_key]
            looks[name] = max(event.timestamp, watched.get(name, 0.0))
    return looks


def instants_now(project: Project) -> dict[str, float]:
    """`mirror_instants` with the Dagster instance of `DAGSTER_HOME`, for commands."""
    with open_instance() as instance:
        return mirror_instants(instance, project)
