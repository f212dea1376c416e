"""The events of Dagster for what the continuous sync brought: those that the steps of the same assets record.

Belongs here: observations and materializations of a landing and of a load, with their versions and metadata. Does not belong here: what
the metadata is (`materialization_metadata`), or bringing anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetMaterialization, AssetObservation, DagsterInstance

from stori_pipeline.defs import materialization_metadata as metadata
from stori_pipeline.defs.keys import landing_key, mirror_key, source_key
from stori_pipeline.defs.materialization_metadata import head_version, version_of
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, WarehouseResource, lake_of
from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    from stori_pipeline.pipeline.bring import Brought
    from stori_pipeline.warehouse.load import Loaded

CONTINUOUS_TAG = "stori/continuous"
"""The tag of the materializations of the continuous sync: their checks, reports and charts have yet to follow."""


class Events:
    """Makes the events of one run. Dagster adds versions to the events of steps; here they are given as it would."""

    def __init__(
        self,
        instance: DagsterInstance,
        project: Project,
        code_versions: Mapping[AssetKey, str],
        lake: LakeResource,
        processed: ProcessedResource,
        warehouse: WarehouseResource,
    ) -> None:
        self._dagster = instance
        self._code_versions = code_versions
        self._lake, self._processed, self._warehouse = lake, processed, warehouse
        self._tables = project.mirrors
        self.loads = 0
        """The number of loads whose events were given."""
        self._inputs = {star.table.full_name: list(star.inputs.values()) for star in project.stars}

    def of(self, brought: Brought) -> Iterator[AssetObservation | AssetMaterialization]:
        """The events of one table; the landing's is left out if nothing landed, and the mirror's if nothing was loaded.

        A star table that was computed again and stays as it is has an event, too: it would show as older than its inputs.
        """
        table = brought.table
        if brought.has_landed or table.is_derived:
            yield from self._landing(table, brought)
        if brought.loaded:
            yield self._mirror(table, brought, brought.loaded)
            self.loads += 1

    def _landing(self, table: Table, brought: Brought) -> Iterator[AssetObservation | AssetMaterialization]:
        lake = lake_of(table, self._lake, self._processed)
        values = metadata.of_landing(brought.rows, brought.landed, lake, brought.land_seconds, brief=True)
        newest, reading = brought.landed.newest, brought.rows.reading
        if inputs := self._inputs.get(table.full_name):
            until = reading.until if reading else newest.until if newest else {}
            made_of = {landing_key(self._tables[name]): version_of((*until.get(name, (0, 0)),)).value for name in inputs}
        else:
            version = head_version(brought.head)
            yield AssetObservation(source_key(table), metadata={"head": brought.head}, tags={"dagster/data_version": version})
            made_of = {source_key(table): version}
        yield self._materialization(landing_key(table), values, version_of(newest.order if newest else None).value, made_of)

    def _mirror(self, table: Table, brought: Brought, loaded: Loaded) -> AssetMaterialization:
        key, version = mirror_key(table), version_of(brought.new.order).value
        values = metadata.of_mirror(brought.new, loaded, self._warehouse.uri(table.full_name), brought.load_seconds, brief=True)
        values |= metadata.carried_on(self._dagster, loaded, key)
        return self._materialization(key, values, version, {landing_key(table): version})

    def _materialization(
        self, key: AssetKey, values: Mapping[str, Any], version: str, made_of: Mapping[AssetKey, str]
    ) -> AssetMaterialization:
        tags = {
            "dagster/data_version": version,
            "dagster/data_version_is_user_provided": "true",
            "dagster/code_version": self._code_versions[key],
            CONTINUOUS_TAG: "true",
        }
        tags |= {f"dagster/input_data_version/{'/'.join(each.path)}": of for each, of in made_of.items()}
        return AssetMaterialization(key, metadata=dict(values), tags=tags)
