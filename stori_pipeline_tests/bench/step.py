"""One measured step of the pipeline in a process of its own: interpreter and imports count, and the peak memory is the step's alone.

`python -m stori_pipeline_tests.bench.step NAME`; the addresses come from the environment. It prints how many rows moved, or JSON, which the
parent checks. Does not belong here: the raw limits (`raw`), which run from here after the import of the table's definition.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

from stori_pipeline_tests.bench import raw, table


def _land() -> int:
    from stori_pipeline.lake import Lake, connect
    from stori_pipeline.pipeline import sync
    from stori_pipeline.readers import reader_for

    reader = reader_for("postgres", os.environ["STORI_SOURCE_BENCH"])
    landed = sync.land(table.TABLE, reader, Lake(connect(), os.environ["STORI_LANDING_BUCKET"]), run_id="bench")
    return landed.manifest.rows if landed.manifest else 0


def _load() -> int:
    from stori_pipeline.lake import Lake, connect
    from stori_pipeline.pipeline import sync
    from stori_pipeline.warehouse import Warehouse

    warehouse = Warehouse(os.environ["STORI_WAREHOUSE"], os.environ["STORI_COPY_ROLE"])
    loaded = sync.load(table.TABLE, Lake(connect(), os.environ["STORI_LANDING_BUCKET"]), warehouse, run_id="bench")
    return loaded.rows_inserted if loaded else 0


def _verify_source() -> int:
    """What a proof of all rows asks its source for, if it finds no difference."""
    from stori_pipeline.readers.postgres.reader import PostgresReader

    reader = PostgresReader(os.environ["STORI_SOURCE_BENCH"])
    _, keys = reader.key_range(table.TABLE)
    return sum(each.rows for each in reader.digests(table.TABLE, keys, keys.width(256)).values())


def _verify_mirror() -> int:
    """What the same proof asks the warehouse for."""
    from stori_pipeline.warehouse import Warehouse

    warehouse = Warehouse(os.environ["STORI_WAREHOUSE"], os.environ["STORI_COPY_ROLE"])
    _, keys = warehouse.key_range(table.TABLE)
    return sum(each.rows for each in warehouse.digests(table.TABLE, keys, keys.width(256)).values())


def _history() -> str:
    """Land the change, then add its version to the history. Only the second counts: JSON with its rows and seconds."""
    from stori_pipeline.lake import Lake, connect
    from stori_pipeline.pipeline import sync
    from stori_pipeline.pipeline.derive import derive
    from stori_pipeline.readers import reader_for
    from stori_pipeline_tests.bench.history import INPUT, VERSIONS

    client = connect()
    landing, processed = Lake(client, os.environ["STORI_LANDING_BUCKET"]), Lake(client, os.environ["STORI_PROCESSED_BUCKET"])
    sync.land(INPUT, reader_for("postgres", os.environ["STORI_SOURCE_BENCH"]), landing, run_id="bench")
    wall, cpu = time.perf_counter(), time.process_time()
    landed = derive(VERSIONS, landing, processed, tables={INPUT.full_name: INPUT}, run_id="bench")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return json.dumps({"rows": landed.manifest.rows if landed.manifest else 0, "wall_s": wall, "cpu_s": cpu})


STEPS: dict[str, Callable[[], object]] = {
    "land": _land,
    "load": _load,
    "verify-source": _verify_source,
    "verify-mirror": _verify_mirror,
    "history": _history,
}


if __name__ == "__main__":
    if sys.argv[1] == "raw":
        raw.main(*sys.argv[2:])
    else:
        print(STEPS[sys.argv[1]]())  # noqa: T201  (the parent checks that rows moved)
