"""Up to which moment the continuous sync knows that mirrors are as new as their sources, as a tag of its run.

Belongs here: writing that and reading it. Does not belong here: finding it out (`pipeline.continuous`), or what lag is (`lag`). A moment
stays true when the run has ended: the mirror had everything of its source then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from dagster import DagsterInstance, RunsFilter

from stori_pipeline.model.project import Project
from stori_pipeline.runtime.names import CONTINUOUS

WATCHED_TAG = "stori/watched"

_MOST_BEHIND = 50
"""Of a source with more tables behind, nothing is written: the tag has a line for each of them, not for each table."""
_RUNS = 3
"""So many of the newest runs are read: one that has just begun knows nothing yet."""


def watched_text(instants: Mapping[str, float], project: Project) -> str:
    """The value of the tag.

    Args:
        instants: by full name, the moment up to which a mirror has everything of its source, in seconds since 1970; others are behind.
    """
    looks, behind = {}, []
    for source, names in _by_source(project).items():
        known = [instants[name] for name in names if name in instants]
        missing = [name for name in names if name not in instants]
        if known and len(missing) <= _MOST_BEHIND:
            looks[source] = round(min(known), 3)
            behind += missing
    return json.dumps({"looks": looks, "behind": behind})


def watched_instants(instance: DagsterInstance, project: Project) -> dict[str, float]:
    """The moment up to which each mirror is known to have everything of its source, by full name; without those that are not known."""
    instants: dict[str, float] = {}
    for record in instance.get_run_records(RunsFilter(job_name=CONTINUOUS), limit=_RUNS):
        if text := record.dagster_run.tags.get(WATCHED_TAG):
            for name, instant in _parsed(text, project).items():
                instants[name] = max(instant, instants.get(name, 0.0))
    return instants


def _parsed(text: str, project: Project) -> dict[str, float]:
    """A text that no run wrote says nothing."""
    try:
        found = json.loads(text)
        looks, behind = {str(name): float(at) for name, at in found["looks"].items()}, set(found["behind"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    by_source = _by_source(project).items()
    return {name: looks[source] for source, names in by_source if source in looks for name in names if name not in behind}


def _by_source(project: Project) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, table in project.mirrors.items():
        names.setdefault(table.source.name, []).append(name)
    return names
