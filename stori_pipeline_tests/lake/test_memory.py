"""Memory while landing is bounded by `Sizes`, not by the table."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PROGRAM = """
import json, sys
import boto3, psutil, pyarrow as pa
from stori_pipeline.lake import Lake, Sizes
from stori_pipeline.model.reading import Chunk
from stori_pipeline_tests.readings import TABLE, Given, orders, rejected, MB, incompressible

endpoint, bucket, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-2")
me = psutil.Process()
chunk = incompressible(0, 20_000)
peak = 0

class Long(Given):
    def __iter__(self):
        global peak
        for _ in range(times):
            # A copy each, as a reader makes: rows that are kept anywhere would show.
            columns = [pa.concat_arrays([column, column.slice(0, 0)]) for column in chunk.columns]
            yield Chunk(pa.RecordBatch.from_arrays(columns, schema=chunk.schema), rejected())
            peak = max(peak, me.memory_info().rss)

lake = Lake(client, bucket, sizes=Sizes(part_bytes=16 * MB, group_bytes=4 * MB, piece_bytes=5 * MB))
lake.land(TABLE, Given([chunk] * 20), newest=None, run_id="warm")
before = me.memory_info().rss
manifest = lake.land(TABLE, Long(), newest=lake.newest(TABLE), run_id="r")
print(json.dumps({"rows": manifest.rows, "bytes": sum(part.bytes for part in manifest.parts), "parts": len(manifest.parts),
                  "grown": peak - before}))
"""


def test_landing_many_times_the_bound_grows_by_no_more_than_the_bound(s3: S3Client, bucket: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, s3.meta.endpoint_url, bucket, "150"], capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["rows"] == 3_000_000
    assert result["bytes"] > 250 * 1024 * 1024
    assert result["parts"] > 10
    # Pieces: one being filled and five on their way; a row group, raw and encoded; chunks waiting. It was 50 MiB when this was written.
    assert result["grown"] < 100 * 1024 * 1024
