"""One measured step in a process of its own, so that interpreter and imports count, and the peak memory is the step's alone.

`python -m stori_pipeline_tests.bench.step NAME [FILE]`; the addresses come from the environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg2

from stori_pipeline_tests.bench import table


def _drain(statement: str, into: Path) -> None:
    with psycopg2.connect(os.environ["STORI_SOURCE_BENCH"]) as connection, connection.cursor() as cursor, into.open("wb") as file:
        cursor.copy_expert(statement, file, size=1 << 20)
    connection.close()


def _raw_load(file: Path, *, merge: bool) -> None:
    """The limit for a loader: the same rows in COPY's own binary form, into an equal table, in one transaction."""
    with psycopg2.connect(os.environ["BENCH_BACKEND"]) as connection, connection.cursor() as cursor, file.open("rb") as rows:
        if merge:
            cursor.execute(table.RAW_STAGE)
        else:
            cursor.execute("DROP TABLE IF EXISTS raw_target")
            cursor.execute(table.RAW_TARGET)
        cursor.copy_expert(table.RAW_IN.format(into="raw_stage" if merge else "raw_target"), rows, size=1 << 20)
        for statement in table.RAW_MERGE if merge else ():
            cursor.execute(statement)
    connection.close()


def _land() -> None:
    from stori_pipeline.lake import Lake, connect
    from stori_pipeline.pipeline import sync
    from stori_pipeline.readers import reader_for

    reader = reader_for("postgres", os.environ["STORI_SOURCE_BENCH"])
    landed = sync.land(table.TABLE, reader, Lake(connect(), os.environ["STORI_LANDING_BUCKET"]), run_id="bench")
    print(landed.manifest.rows if landed.manifest else 0)  # noqa: T201  (the parent checks that rows moved)


def _load() -> None:
    from stori_pipeline.lake import Lake, connect
    from stori_pipeline.pipeline import sync
    from stori_pipeline.warehouse import Warehouse

    warehouse = Warehouse(os.environ["STORI_WAREHOUSE"], os.environ["STORI_COPY_ROLE"])
    loaded = sync.load(table.TABLE, Lake(connect(), os.environ["STORI_LANDING_BUCKET"]), warehouse, run_id="bench")
    print(loaded.rows_inserted if loaded else 0)  # noqa: T201


def _prove(*, share: bool) -> None:
    """What a proof asks its source for, if it finds no difference: all rows, or a share of them."""
    from stori_pipeline.model.row_checksum import KeyRange
    from stori_pipeline.readers.postgres.reader import PostgresReader
    from stori_pipeline.verify.shares import SHARES

    reader = PostgresReader(os.environ["STORI_SOURCE_BENCH"])
    rows, keys = reader.key_range(table.TABLE)
    compared = KeyRange(keys.low, keys.low + (keys.high - keys.low) // SHARES) if share else keys
    digests = reader.digests(table.TABLE, compared, compared.width(256))
    assert share or sum(each.rows for each in digests.values()) == rows
    print(sum(each.rows for each in digests.values()))  # noqa: T201


def main() -> None:
    name, *rest = sys.argv[1:]
    file = Path(rest[0]) if rest else Path(os.devnull)
    where = rest[1] if len(rest) > 1 else ""
    if name == "raw-out":
        _drain(table.raw_out(where), file)
    elif name == "raw-load":
        _raw_load(file, merge=False)
    elif name == "raw-merge":
        _raw_load(file, merge=True)
    elif name == "land":
        _land()
    elif name == "load":
        _load()
    elif name in ("prove", "prove-share"):
        _prove(share=name == "prove-share")
    else:
        raise SystemExit(f"there is no step {name!r}")


if __name__ == "__main__":
    main()
