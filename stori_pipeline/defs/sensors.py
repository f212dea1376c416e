"""The sensors: each checks its scope for changes and requests one run for what changed and for what has never been made.

Belongs here: promptness. A sensor's cursor holds only what it has requested: the schedule repairs a failed run, and a lost cursor costs
one run that finds nothing new. Does not belong here: certainty (`schedules`), or any position.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
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
from stori_pipeline.defs.jobs import scope_job, sync_request
from stori_pipeline.defs.materialization_metadata import last_tags
from stori_pipeline.defs.resources import LakeResource, SourcesResource
from stori_pipeline.defs.scopes import Scope, input_key, scopes
from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.liveness import end_killed_runs

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_HEADS_TIMEOUT = 20  # seconds for which a tick waits for all heads together
_THREADS = 8


def busy_assets(instance: DagsterInstance, project: Project) -> set[AssetKey]:
    """The assets in runs that have not ended yet. A run without a selection has all assets of its job."""
    by_job = {scope.job: scope.owners for scope in scopes(project)}
    keys: set[AssetKey] = set()
    for record in instance.get_run_records(RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        if run.asset_selection:
            keys |= run.asset_selection
        else:
            keys.update(*([by_job[run.job_name]] if run.job_name in by_job else by_job.values()))
    return keys


def _head(table: Table, sources: SourcesResource, lake: LakeResource) -> str:
    """The text that the sensor compares: the source's head, and the generation and the definition of its position."""
    newest = lake.open().watched(table)
    since = newest if newest and newest.fingerprint == table.fingerprint else None
    head = sources.reader(table.source).head(table, since.until if since else None)
    return f"{since.generation if since else 'whole'} {table.fingerprint} {head}"


def _heads(tables: Sequence[Table], sources: SourcesResource, lake: LakeResource) -> tuple[dict[str, str], dict[str, str]]:
    """The heads by table, and the errors of the other tables."""
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="head")
    try:
        names = {pool.submit(_head, table, sources, lake): table.full_name for table in tables}
        done, late = wait(names, timeout=_HEADS_TIMEOUT)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    failures = {names[each]: f"no answer within {_HEADS_TIMEOUT} s" for each in late}
    failures |= {names[each]: f"{type(error).__name__}: {error}" for each in done if (error := each.exception())}
    return {names[each]: each.result() for each in done if not each.exception()}, failures


@dataclass(frozen=True)
class _Requested:
    """A sensor's cursor: what it has requested.

    Attributes:
        moved: the head of each source table, or the version of each input, for which a run was requested.
        made: the code version of each asset that was requested because it had never been made by that version. So one that fails is not
            requested again and again: the schedule tries it next.
    """

    moved: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, cursor: str | None) -> "_Requested":
        """What a cursor says. A text that no sensor wrote counts as a lost cursor."""
        try:
            values = json.loads(cursor or "")
            return cls(dict(values["moved"]), dict(values["made"]))
        except (ValueError, TypeError, KeyError):
            return cls()

    def text(self) -> str:
        return json.dumps({"moved": self.moved, "made": self.made}, sort_keys=True)

    def and_also(self, moved: Mapping[str, str], unmade: Mapping[AssetKey, str]) -> "_Requested":
        return _Requested({**self.moved, **moved}, {**self.made, **{"/".join(key.path): code for key, code in unmade.items()}})


def change_sensors(project: Project, code_versions: Mapping[AssetKey, str]) -> list[SensorDefinition]:
    """A sensor for each scope of the project. `code_versions` has the present code version of every asset that the scopes make."""
    return [_sensor(project, scope, {key: code_versions[key] for key in scope.owners}) for scope in scopes(project)]


def _sensor(project: Project, scope: Scope, code_versions: Mapping[AssetKey, str]) -> SensorDefinition:
    what = f"which tables of `{scope.name}` have changed" if scope.content.tables else "which tables and reports below have changed"
    inputs = {input_key(name, project): name for name in scope.inputs}

    @sensor(
        name=f"{scope.name}_changes",
        job=scope_job(project, scope),
        description=f"Checks {what}, and requests one run for the changes and for what has never been made.",
        minimum_interval_seconds=5,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def changes(context: SensorEvaluationContext, sources: SourcesResource, lake: LakeResource) -> SensorResult:
        requested = _Requested.parse(context.cursor)
        heads, failures = _heads(scope.content.tables, sources, lake)
        tags = last_tags(context.instance, [*code_versions, *inputs])
        versions = {name: tags[key].get("dagster/data_version", "") for key, name in inputs.items() if key in tags}
        moved = {name: at for name, at in (heads | versions).items() if at != requested.moved.get(name)}
        # What has never been made waits until all that it may be made of is there; the schedule does not wait.
        unmade = {} if failures or len(versions) < len(inputs) else _unmade(code_versions, tags, requested)
        busy = _busy_names(context.instance, project, scope) if moved or unmade else set()
        waiting = {name for name in moved if busy.intersection(_waits_for(scope, name))}
        moved = {name: at for name, at in moved.items() if name not in waiting}
        unmade = {key: code for key, code in unmade.items() if scope.owners[key] not in busy}
        if not moved and not unmade:
            # What waits is not stored as requested, so the next tick finds it again.
            return SensorResult(skip_reason=_skip_reason(failures, waiting), cursor=context.cursor)
        for line in _unchecked(failures):
            context.log.warning(line)  # a tick that requests a run has no reason for skipping, which would say so
        request = _request(project, scope, moved, unmade)
        return SensorResult(run_requests=[request], cursor=requested.and_also(moved, unmade).text())

    return changes


def _busy_names(instance: DagsterInstance, project: Project, scope: Scope) -> set[str]:
    """Full names of what is in runs that have not ended yet."""
    end_killed_runs(instance)  # otherwise their tables would stay busy for ever
    busy = busy_assets(instance, project)
    return {name for key, name in scope.owners.items() if key in busy}


def _unmade(
    code_versions: Mapping[AssetKey, str], tags: Mapping[AssetKey, Mapping[str, str]], requested: _Requested
) -> dict[AssetKey, str]:
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
    return [f"{', '.join(names)} {were[reason]} not checked for changes: {reason}" for reason, names in by_reason.items()]


def _skip_reason(failures: Mapping[str, str], waiting: Collection[str]) -> SkipReason:
    reasons = _unchecked(failures)
    reasons += [f"{name} has changed, and a run for it has not ended yet" for name in sorted(waiting)]
    return SkipReason("; ".join(reasons) or "nothing has changed")
