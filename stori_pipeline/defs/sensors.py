"""The sensors: each checks its scope for changes and requests one run for what changed and for what has never been made.

Belongs here: promptness. A sensor's cursor holds only what it has requested: the schedule repairs a failed run, and a lost cursor costs
one run that finds nothing new. Does not belong here: certainty (`schedules`), or any position.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as _Late
from dataclasses import replace

from dagster import (
    AssetKey,
    DagsterInstance,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from stori_pipeline.defs.checks import quick_checks
from stori_pipeline.defs.follower import UNFINISHED, code_of, follower, sensor_name
from stori_pipeline.defs.jobs import scope_job, sync_request
from stori_pipeline.defs.materialization_metadata import last_tags
from stori_pipeline.defs.requested import Requested
from stori_pipeline.defs.resources import LakeResource, SourcesResource
from stori_pipeline.defs.scopes import Scope, input_key, scopes
from stori_pipeline.lake import Manifest
from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.heads import heads
from stori_pipeline.runtime.liveness import end_killed_runs
from stori_pipeline.runtime.names import CONTINUOUS, FOLLOW_UP
from stori_pipeline.settings import Settings

_HEADS_TIMEOUT = 20  # seconds for which a tick waits for all heads together
_THREADS = 8
_NAMED = 20  # tables that a reason names
_LOOK_SECONDS = 30.0  # between two looks for what was never made, while the continuous sync brings what changes


def busy_assets(instance: DagsterInstance, project: Project) -> set[AssetKey]:
    """The assets in runs that have not ended yet. A run without a selection has all assets of its job."""
    by_job = {scope.job: scope.owners for scope in scopes(project)}
    keys: set[AssetKey] = set()
    for record in instance.get_run_records(RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        if run.asset_selection:
            keys |= run.asset_selection
        elif run.job_name not in (CONTINUOUS, FOLLOW_UP):  # the first holds a table only while it brings it, the other none
            keys.update(*([by_job[run.job_name]] if run.job_name in by_job else by_job.values()))
    return keys


def _heads(tables: Sequence[Table], sources: SourcesResource, lake: LakeResource) -> tuple[dict[str, str], dict[str, str]]:
    """The texts that the sensor compares, by table, and the errors of the other tables. The tables are of one source.

    A text is the source's head, and the generation and the definition of the table's position.
    """
    if not tables:
        return {}, {}
    pool = ThreadPoolExecutor(_THREADS + 1, thread_name_prefix="head")
    try:
        looks = {table: pool.submit(lake.open().watched, table) for table in tables}

        def ask() -> tuple[dict[str, str], dict[str, str]]:
            errors = {table.full_name: error for table, look in looks.items() if (error := look.exception())}
            since = {table: _continued(table, look.result()) for table, look in looks.items() if table.full_name not in errors}
            found = heads(sources.reader(tables[0].source), {table: newest.until if newest else None for table, newest in since.items()})
            errors |= {name: head for name, head in found.items() if isinstance(head, SourceError)}
            generations = {table.full_name: newest.generation if newest else "whole" for table, newest in since.items()}
            prints = {table.full_name: table.fingerprint for table in tables}
            texts = {name: f"{generations[name]} {prints[name]} {head}" for name, head in found.items() if name not in errors}
            return texts, {name: f"{type(error).__name__}: {error}" for name, error in errors.items()}

        return pool.submit(ask).result(timeout=_HEADS_TIMEOUT)
    except SourceError as error:
        return {}, {table.full_name: f"{type(error).__name__}: {error}" for table in tables}
    except _Late:  # on Python 3.10 it is not the built-in one
        return {}, {table.full_name: f"no answer within {_HEADS_TIMEOUT} s" for table in tables}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _continued(table: Table, newest: Manifest | None) -> Manifest | None:
    """The newest batch, if a landing goes on after it."""
    return newest if newest and newest.fingerprint == table.fingerprint else None


def change_sensors(project: Project, code_versions: Mapping[AssetKey, str]) -> list[SensorDefinition]:
    """A sensor for each scope of the project. `code_versions` has the present code version of every asset that the scopes make."""
    return [_Sensor(project, scope, code_versions).definition() for scope in scopes(project)]


class _Sensor:
    """The sensor of a scope.

    While the continuous sync brings the scope's tables, it requests runs of what that leaves to others. Without the continuous sync it asks
    the sources itself, and requests a run for what has changed.
    """

    def __init__(self, project: Project, scope: Scope, code_versions: Mapping[AssetKey, str]) -> None:
        self.project, self.scope = project, scope
        self.code = code_of(code_versions)
        self.code_versions = {key: code_versions[key] for key in scope.owners}
        self.inputs = {input_key(name, project): name for name in scope.inputs}

    def definition(self) -> SensorDefinition:
        scope = self.scope
        what = f"which tables of `{scope.name}` have changed" if scope.content.tables else "which tables and reports below have changed"

        @sensor(
            name=sensor_name(scope.name),
            job=scope_job(self.project, scope),
            description=(
                f"Checks {what}, and requests one run for the changes and for what has never been made. While the continuous sync brings "
                "them, requests runs only of what that leaves to others, such as first loads."
            ),
            minimum_interval_seconds=5,
            default_status=DefaultSensorStatus.RUNNING,
        )
        def changes(context: SensorEvaluationContext, sources: SourcesResource, lake: LakeResource) -> SensorResult:
            return self.tick(context, sources, lake)

        return changes

    def tick(self, context: SensorEvaluationContext, sources: SourcesResource, lake: LakeResource) -> SensorResult:
        requested, now = Requested.parse(context.cursor), time.time()
        continuous = follower(context.instance, self.code)
        if continuous is None or self.scope.name not in continuous.scopes:
            return self._request(context, requested, now, lambda: _heads(self.scope.content.tables, sources, lake))
        left = {name: sign for name, sign in continuous.left.items() if name in self.scope.content.names}
        if now < requested.looked_at + _LOOK_SECONDS and all(requested.moved.get(name) == sign for name, sign in left.items()):
            return SensorResult(skip_reason=SkipReason("the continuous sync brings what changes"), cursor=context.cursor)
        return self._request(context, replace(requested, looked_at=now), now, lambda: (left, {}), is_brought=True)

    def _request(
        self,
        context: SensorEvaluationContext,
        requested: Requested,
        now: float,
        look: Callable[[], tuple[dict[str, str], dict[str, str]]],
        *,
        is_brought: bool = False,
    ) -> SensorResult:
        """A request for one run of what has moved, by `look`, and what was never made; or why there is none."""
        scope = self.scope
        end_killed_runs(context.instance)  # otherwise their tables would stay busy for ever
        tags = last_tags(context.instance, [*self.code_versions, *self.inputs])
        versions = {name: tags[key].get("dagster/data_version", "") for key, name in self.inputs.items() if key in tags}
        found, failures = look()
        found |= {} if is_brought else versions
        moved = {name: at for name, at in found.items() if at != requested.moved.get(name)}
        collected = {name for name in moved if requested.too_soon(name, now=now, between=self._between(name))}
        # What has never been made waits until all that it may be made of is there; the schedule does not wait.
        unmade = {} if failures or len(versions) < len(self.inputs) else _unmade(self.code_versions, tags, requested)
        busy = _busy_names(context.instance, self.project, scope) if moved or unmade else set()
        waiting = {name for name in moved if name not in collected and busy.intersection(_waits_for(scope, name))}
        moved = {name: at for name, at in moved.items() if name not in waiting | collected}
        unmade = {key: code for key, code in unmade.items() if scope.owners[key] not in busy}
        if not moved and not unmade:
            # What waits is not stored as requested, so the next tick finds it again.
            return SensorResult(skip_reason=_skip_reason(failures, waiting, collected), cursor=requested.text())
        for line in _unchecked(failures):
            context.log.warning(line)  # a tick that requests a run has no reason for skipping, which would say so
        request = _request(self.project, scope, moved, unmade)
        return SensorResult(run_requests=[request], cursor=requested.and_also(moved, unmade, at=now).text())

    def _between(self, name: str) -> float:
        """For how many seconds changes of a source table are collected before a run brings them."""
        table = self.project.mirrors.get(name)
        if table is None or table.is_derived:
            return 0.0
        return self.project.target_lag(table, Settings.load().target_lag).total_seconds() / 2


def _busy_names(instance: DagsterInstance, project: Project, scope: Scope) -> set[str]:
    """Full names of what is in runs that have not ended yet."""
    busy = busy_assets(instance, project)
    return {name for key, name in scope.owners.items() if key in busy}


def _unmade(code_versions: Mapping[AssetKey, str], tags: Mapping[AssetKey, Mapping[str, str]], requested: Requested) -> dict[AssetKey, str]:
    """The code versions of the assets that were never made by their present code version, and never requested by it either."""
    made = {key: last.get("dagster/code_version") for key, last in tags.items()}
    return {key: code for key, code in code_versions.items() if code not in (made.get(key), requested.made.get("/".join(key.path)))}


def _waits_for(scope: Scope, moved: str) -> Collection[str]:
    """Full names whose runs a request for this table or input waits for: the source table itself, or everything downstream of the input."""
    return {moved} if moved in {table.full_name for table in scope.content.tables} else scope.content.downstream([moved]).all_names


def _request(project: Project, scope: Scope, moved: Mapping[str, str], unmade: Mapping[AssetKey, str]) -> RunRequest:
    affected = scope.content.part(scope.content.downstream(moved).all_names | {scope.owners[key] for key in unmade})
    # The run key contains the heads and versions. So a crash between launching a run and saving the cursor does not launch the run twice,
    # and no later change has the same key; Dagster deduplicates run keys without a time limit.
    identity = [*(f"{name} {at}" for name, at in sorted(moved.items())), *sorted(f"{key} {code}" for key, code in unmade.items())]
    run_key = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32]
    return sync_request(affected, checks=quick_checks(project, affected), run_key=run_key)


def _unchecked(failures: Mapping[str, str]) -> list[str]:
    """A line for each reason for which tables were not checked: one server that is away is the reason for all tables of a source."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in sorted(failures.items()):
        by_reason.setdefault(reason, []).append(name)
    were = {reason: "was" if len(names) == 1 else "were" for reason, names in by_reason.items()}
    return [f"{_listed(names)} {were[reason]} not checked for changes: {reason}" for reason, names in by_reason.items()]


def _listed(names: Sequence[str]) -> str:
    """The names, or the first of them: a line of a thousand is not read."""
    rest = len(names) - _NAMED
    return ", ".join(names) if rest <= 1 else f"{', '.join(names[:_NAMED])} and {rest} more"


def _skip_reason(failures: Mapping[str, str], waiting: Collection[str], collected: Collection[str]) -> SkipReason:
    reasons = _unchecked(failures)
    reasons += [f"{name} has changed, and more changes are collected, as its target lag allows" for name in sorted(collected)]
    reasons += [f"{name} has changed, and a run for it has not ended yet" for name in sorted(waiting)]
    return SkipReason("; ".join(reasons) or "nothing has changed")
