"""A kind of source declared outside the platform, as one package and one entry: a run lands, loads and proves its table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from dagster import DagsterInstance

from stori_pipeline.cli.sync import execute_sync
from stori_pipeline.defs.keys import landing_key
from stori_pipeline.model.project import Project
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline_tests.databases import drop_schemas
from stori_pipeline_tests.platforms import Platform
from stori_pipeline_tests.readers.json_folder import RowFiles
from stori_pipeline_tests.readers.rig_json_folder import KIND, JsonFolderRig
from stori_pipeline_tests.readers.shop import items

SOURCE = Source("outside", KIND, "A shared folder.")


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> JsonFolderRig:
    return JsonFolderRig(request, RowFiles())


@pytest.fixture
def table(rig: JsonFolderRig, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """The rig's table in a project of its own, under a name of its own in the warehouse."""
    monkeypatch.setenv("STORI_SOURCE_OUTSIDE", rig.url)
    yield replace(rig.table, source=SOURCE)
    drop_schemas(platform.warehouse_url, "outside")


def test_a_run_lands_loads_and_proves_a_kind_from_outside(
    rig: JsonFolderRig, table: Table, platform: Platform, instance: DagsterInstance
) -> None:
    project = Project((table,))
    rig.insert(items(1, 2, 3))
    first = execute_sync([table], instance=instance, project=project, prove=True)
    assert first.success, [str(event.message) for event in first.all_events if event.is_failure]
    assert all(each.passed for each in first.get_asset_check_evaluations())
    assert platform.query("SELECT id, name FROM outside.items ORDER BY 1") == [(1, "item 1"), (2, "item 2"), (3, "item 3")]

    rig.update(1, name="new")
    rig.delete(2)
    second = execute_sync([table], instance=instance, project=project, prove=True)
    assert second.success, [str(event.message) for event in second.all_events if event.is_failure]
    (landed,) = [event for event in second.get_asset_materialization_events() if event.asset_key == landing_key(table)]
    assert (landed.materialization.metadata["kind"].value, landed.materialization.metadata["rows_landed"].value) == ("changes", 2)
    # No detection of deletes is needed: the definition says that its way of finding changes sees them.
    assert platform.query("SELECT id, name FROM outside.items ORDER BY 1") == [(1, "new"), (3, "item 3")]
