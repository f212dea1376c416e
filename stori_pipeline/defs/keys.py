"""The asset keys and the groups of tables, quarantines, reports and charts.

Belongs here: the key and the group of a definition, and the step of a key. Does not belong here: the parts of a name (`model`), which are
the same in S3 and in the warehouse.
"""

from __future__ import annotations

from dagster import AssetKey

from stori_pipeline.model.names import chart_path, relation_path
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table

# The graph shows only the last part of a key, which a source table, its landing and its mirror share. Groups within the group of the
# source tell them apart.
IN_SOURCE, IN_LAKE, IN_WAREHOUSE = "source", "lake", "warehouse"


def group_of(table: Table, place: str) -> str:
    """The group of what a table has in one place: in its source, in the lake or in the warehouse."""
    return f"{table.source.name}/{place}"


def source_key(table: Table) -> AssetKey:
    return AssetKey(table.source_path)


def landing_key(table: Table) -> AssetKey:
    return AssetKey(table.landing_path)


def quarantine_key(source: Source) -> AssetKey:
    return AssetKey(["quarantine", source.name])


def mirror_key(table: Table) -> AssetKey:
    return AssetKey(table.mirror_path)


def relation_key(full_name: str) -> AssetKey:
    """The key of the asset that a statement reads as `schema.name`."""
    return AssetKey(relation_path(full_name))


def report_key(name: str) -> AssetKey:
    return AssetKey(relation_path(f"reports.{name}"))


def chart_key(name: str) -> AssetKey:
    return AssetKey(chart_path(name))


def step_name(key: AssetKey) -> str:
    """The name that Dagster gives the step of an asset whose key consists of our names."""
    return "__".join(key.path)
