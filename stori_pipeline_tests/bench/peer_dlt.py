"""dlt as a peer: one table of Postgres to Parquet in S3, with its fastest backend for whole columns.

Runs in the peers' environment, which has no stori_pipeline: `peer_dlt.py FOLDER BUCKET`. What is new since the last run in that folder is
extracted. Prints how many rows.
"""

from __future__ import annotations

import os
import sys

import dlt
from dlt.destinations import filesystem
from dlt.sources.sql_database import sql_table


def main(folder: str, bucket: str) -> None:
    endpoint = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": os.environ["AWS_DEFAULT_REGION"]}
    keys = {"aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"]}
    movements = sql_table(
        credentials=os.environ["STORI_SOURCE_BENCH"].replace("://", "+psycopg2://", 1),
        table="movements",
        backend="connectorx",
        incremental=dlt.sources.incremental("updated_at"),
    )
    pipeline = dlt.pipeline(
        "bench",
        destination=filesystem(bucket_url=f"s3://{bucket}/dlt", credentials=endpoint | keys),
        dataset_name="bench",
        pipelines_dir=folder,
    )
    pipeline.run(movements, loader_file_format="parquet", write_disposition="append")
    print(pipeline.last_trace.last_normalize_info.row_counts.get("movements", 0))  # noqa: T201  (the parent checks that rows moved)


if __name__ == "__main__":
    main(*sys.argv[1:])
