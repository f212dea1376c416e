"""Small projects in folders of their own, for tests.

Belongs here: writing one, and forgetting what a test imported from it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

TABLE = """\
from stori_pipeline.model import Column, Source, Table, integer, varchar
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source("{source}", "postgres", "A source.")
TABLES = (
    Table(
        source=SOURCE,
        name="{table}",
        columns=(Column("id", integer, nullable=False), Column("name", varchar(64))),
        key=("id",),
        changes=Xmin(),
    ),
)
"""


def write_project(folder: Path, package: str, files: Mapping[str, str] = {}) -> None:
    """Write a project whose package has these files, each by its path in the package."""
    (folder / package / "catalog").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(f'[tool.stori]\nproject = "{package}.project"\n')
    (folder / package / "__init__.py").touch()
    (folder / package / "catalog" / "__init__.py").touch()
    (folder / package / "project.py").write_text(
        f'from stori_pipeline.discovery import ProjectPackage\n\nPROJECT = ProjectPackage("{package}")\n'
    )
    for path, text in files.items():
        (folder / package / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / package / path).write_text(dedent(text))


@contextmanager
def forgotten(folder: Path, package: str) -> Iterator[None]:
    """Forget what the block imports of the package."""
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        sys.path[:] = [each for each in sys.path if each != str(folder)]
