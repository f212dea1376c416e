"""One asset for each source: its page shows what is in quarantine, and why.

Belongs here: that asset and its metadata. Does not belong here: which rows are in quarantine (`lake.quarantine`), or deciding about them
(`pipeline.quarantine`).
"""

# The asset depends on no landing: a landing that fails must not keep the page from being brought up to date. Its step has the lowest
# priority of a run, so it runs after the landings. Only the schedule and `stori sync` run it; each landing says its own count anyway.

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from dagster import AssetsDefinition, MaterializeResult, MetadataValue, TableColumn, TableSchema, asset

from stori_pipeline.defs.keys import IN_LAKE, quarantine_key, step_name
from stori_pipeline.defs.metadata import preview
from stori_pipeline.defs.resources import LakeResource
from stori_pipeline.defs.stale_rows import LOOKED_AT
from stori_pipeline.lake import Lake
from stori_pipeline.model.project import Project
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.retries import RETRY, only_transient

_SAMPLES = 5
"""So many rows of each table are shown."""

_LAST = {"dagster/priority": "-100"}
_COLUMNS = {
    "table": "The row's table.",
    "row": "Its batch, and its number in the batch's quarantine: 42:3.",
    "code": "Why it was rejected, as a code: see docs/quarantine.md.",
    "column": "The first column that does not fit.",
    "reason": "Why, in words.",
    "raw": "The row as it was read, in JSON.",
}


def tables_of_sources(project: Project) -> Iterator[tuple[Source, list[Table]]]:
    """The sources of a project, each with its tables."""
    for source in dict.fromkeys(table.source for table in project.tables):
        yield source, [table for table in project.tables if table.source == source]


def quarantine_asset(source: Source, tables: Sequence[Table]) -> AssetsDefinition:
    """The asset of a source whose tables are these."""
    key = quarantine_key(source)

    @asset(
        key=key,
        group_name=f"{source.name}/{IN_LAKE}",
        description=(
            f"The rows of `{source.name}` that broke their table's definition, by table and reason. `stori quarantine` shows, mends and "
            "replays them."
        ),
        kinds={"s3", "parquet"},
        owners=list(source.owners),
        metadata={"dagster/column_schema": TableSchema([TableColumn(name, "text", text) for name, text in _COLUMNS.items()])},
        op_tags=_LAST,
        retry_policy=RETRY,
        pool=step_name(key),
    )
    def quarantined(lake: LakeResource) -> MaterializeResult:  # type: ignore[type-arg]  # it has no value
        with only_transient():
            return MaterializeResult(metadata=quarantine_metadata(tables, lake.open()))

    return quarantined


def quarantine_metadata(tables: Sequence[Table], lake: Lake) -> dict[str, Any]:
    """What the page shows: the number of rows; by table and reason, those of the newest batches; some rows; and what to do."""
    from stori_pipeline.lake.quarantine import rows_in_quarantine
    from stori_pipeline.pipeline.quarantine import candidates, summary

    total = 0
    groups, samples, blocked = [], [], []
    for table in tables:
        total += rows_in_quarantine(lake, table)
        for group in summary(table, lake, batches=LOOKED_AT):
            groups.append((table.full_name, group.code, group.column, group.rows, group.reason))
            blocked += [(table.full_name, batch) for batch in group.blocked]
        if groups and groups[-1][0] == table.full_name:
            for each in islice(candidates(table, lake), _SAMPLES):
                refused = each.refused
                samples.append((table.full_name, str(each.row), refused.code, refused.column, refused.reason, refused.raw))
    values: dict[str, Any] = {"dagster/row_count": total}
    if groups:
        values["by_reason"] = MetadataValue.md(preview(["table", "code", "column", "rows", "such as"], groups))
        values["rows"] = MetadataValue.md(preview(list(_COLUMNS), samples))
        values["what_to_do"] = MetadataValue.md(_advice(sorted({name for name, *_ in groups}), sorted(set(blocked))))
    return values


def _advice(names: Sequence[str], blocked: Sequence[tuple[str, int]]) -> str:
    lines = [f"- `stori quarantine accept {name} --batch {batch}`: load the blocked batch without these rows" for name, batch in blocked]
    for name in names:
        lines += [
            f"- `stori quarantine show {name}`: all rows, with their reasons",
            f"- `stori quarantine export {name} -o FILE`, edit its `raw`, `stori quarantine replay --from FILE`: mend and land them",
            f"- `stori quarantine discard {name} --code CODE`: take them out for good",
        ]
    return "\n".join(lines)
