"""A project of many tables: its definitions, its files, and its tables in Postgres.

Belongs here: what such a project is made of. Does not belong here: filling its mirrors (`grown`), or measuring (`idle`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, date, decimal, timestamptz, varchar
from stori_pipeline.readers.postgres import Xmin

PACKAGE = "grown"
SOURCE = Source("shop", "postgres", "A database of many tables, in several schemas.", owners=("shop@example.com",))
_SCHEMAS = 5
_ROWS = 20
_AT_ONCE = 50  # tables made in a transaction: each holds locks, and the server's table of locks is finite

_COLUMNS = (
    Column("id", bigint, nullable=False, description="The key."),
    Column("customer", bigint, description="Who it belongs to."),
    Column("name", varchar(80)),
    Column("amount", decimal(18, 2)),
    Column("day", date),
    Column("is_paid", boolean),
    Column("note", varchar(400)),
    Column("changed_at", timestamptz),
)
_CREATE = """
CREATE TABLE {name} (
  id bigint PRIMARY KEY, customer bigint, name varchar(80), amount numeric(18,2), day date, is_paid boolean, note varchar(400),
  changed_at timestamptz);
INSERT INTO {name} SELECT n, n, 'name ' || n, n, date '2026-01-01', true, 'a note', now() FROM generate_series(1, {rows}) AS n"""


def tables(count: int) -> tuple[Table, ...]:
    """The definitions of so many tables."""
    return tuple(
        Table(
            source=SOURCE,
            name=f"table_{number:04}",
            source_name=f"area_{number % _SCHEMAS}.table_{number:04}",
            columns=_COLUMNS,
            key=("id",),
            changes=Xmin(),
            cursor="changed_at",
            description="One of many.",
        )
        for number in range(count)
    )


def create(url: str, count: int) -> None:
    """The tables in their database, with a few rows each. The role `reader` may read them."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for statements in _statements(count):
            cursor.execute(";".join(statements))
            connection.commit()
        cursor.execute(
            ";".join(
                f"GRANT USAGE ON SCHEMA area_{n} TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA area_{n} TO reader"
                for n in range(_SCHEMAS)
            )
        )
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM (ANALYZE)")


def _statements(count: int) -> Iterator[list[str]]:
    yield [f"CREATE SCHEMA area_{number}" for number in range(_SCHEMAS)]
    made = [_CREATE.format(name=table.source_name, rows=_ROWS) for table in tables(count)]
    for start in range(0, count, _AT_ONCE):
        yield made[start : start + _AT_ONCE]


def write_project(folder: Path, count: int) -> None:
    """The files of the project in its folder, as `stori init` and `stori scaffold` would leave them, but shorter."""
    files = {
        f"{PACKAGE}/__init__.py": "",
        f"{PACKAGE}/catalog/__init__.py": "",
        f"{PACKAGE}/catalog/shop.py": f"from {__name__} import SOURCE, tables\n\nTABLES = tables({count})\n",
        f"{PACKAGE}/project.py": f"from stori_pipeline.discovery import ProjectPackage\n\nPROJECT = ProjectPackage({PACKAGE!r})\n",
        f"{PACKAGE}/definitions.py": "from stori_pipeline.defs.package import load_definitions\n"
        f"from {PACKAGE}.project import PROJECT\n\ndefs = load_definitions(PROJECT)\n",
        "pyproject.toml": f'[tool.stori]\nproject = "{PACKAGE}.project"\n',
        "workspace.yaml": f"load_from:\n  - python_module:\n      module_name: {PACKAGE}.definitions\n"
        f"      working_directory: .\n      location_name: {PACKAGE}\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
