"""The daily sweep, over lakes with files of interrupted landings."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance

from stori_pipeline.cli.sync import run_sync
from stori_pipeline.defs.build import build_defs
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.platforms import BANK, Platform

pytestmark = pytest.mark.clock


def test_a_sweep_removes_what_is_old_and_leaves_what_counts(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(3)
    (result,) = run_sync([BANK], instance=instance, project=PLAIN)
    assert result.rows_loaded == 3
    s3 = platform.lake.bucket.connection.client
    left = f"{BANK.prefix}/date=2026-01-01/batch=00000009/part-00000-00000000.parquet"
    s3.create_multipart_upload(Bucket=platform.bucket, Key=left)  # broken off in January, by its name
    before = [each["Key"] for each in s3.list_objects_v2(Bucket=platform.bucket)["Contents"]]

    swept = build_defs(PLAIN).resolve_job_def("sweep").execute_in_process(instance=instance)
    assert swept.success
    (event,) = [event for event in swept.all_events if event.event_type_value == "STEP_OUTPUT"]
    assert {name: value.value for name, value in event.step_output_data.metadata.items()} == {BANK.full_name: 1}
    assert not s3.list_multipart_uploads(Bucket=platform.bucket).get("Uploads")
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=platform.bucket)["Contents"]] == before
    assert platform.lake.live(BANK).collect().height == 3
