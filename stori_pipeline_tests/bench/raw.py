"""The raw limit of a step: the same rows in COPY's own binary form, as fast as Postgres can. Each in a process of its own.

`python -m stori_pipeline_tests.bench.raw NAME [FILE] [WHERE]`; the addresses come from the environment. Nothing of the pipeline is imported
here, so that only the interpreter and the driver count: the bare limit. As a step (`step raw ...`) the table's definition counts, too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg2

NAMES = "no, account, day, details, chip, value_day, withdrawal, deposit, fee, posted_at, updated_at"
_AT_ONCE = 1 << 20

_TARGET = """
CREATE TABLE raw_target (
  no bigint NOT NULL, account varchar(32) NOT NULL, day date NOT NULL, details varchar(256) NOT NULL, chip boolean NOT NULL,
  value_day date NOT NULL, withdrawal numeric(18,2), deposit numeric(18,2), fee numeric(18,2), posted_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
)"""
_STAGE = "CREATE TEMP TABLE raw_stage (LIKE raw_target)"
_MERGE = (
    "DELETE FROM raw_target USING raw_stage WHERE raw_target.no = raw_stage.no",
    "INSERT INTO raw_target SELECT * FROM raw_stage",
)


def _out(url: str, table: str, into: Path, where: str) -> None:
    """The rows, all or those that hold `where`, straight out of an engine."""
    statement = f"COPY (SELECT {NAMES} FROM {table}{f' WHERE {where}' if where else ''}) TO STDOUT (FORMAT binary)"
    with psycopg2.connect(url) as connection, connection.cursor() as cursor, into.open("wb") as file:
        cursor.copy_expert(statement, file, size=_AT_ONCE)
    connection.close()


def _in(url: str, file: Path, *, merge: bool) -> None:
    """The limit for a loader: the rows into an equal table, in one transaction."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor, file.open("rb") as rows:
        if merge:
            cursor.execute(_STAGE)
        else:
            cursor.execute("DROP TABLE IF EXISTS raw_target")
            cursor.execute(_TARGET)
        cursor.copy_expert(f"COPY {'raw_stage' if merge else 'raw_target'} FROM STDIN (FORMAT binary)", rows, size=_AT_ONCE)
        for statement in _MERGE if merge else ():
            cursor.execute(statement)
    connection.close()


def main(name: str, file: str = "", where: str = "") -> None:
    path = Path(file or os.devnull)
    if name == "source":
        _out(os.environ["STORI_SOURCE_BENCH"], "movements", path, where)
    elif name == "mirror":
        _out(os.environ["BENCH_BACKEND"], "bench.movements", path, where)
    elif name in ("load", "merge"):
        _in(os.environ["BENCH_BACKEND"], path, merge=name == "merge")
    else:
        raise SystemExit(f"there is no raw step {name!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
