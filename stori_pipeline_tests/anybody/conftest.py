"""A new project of somebody who has only the wheels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stori_pipeline_tests.anybody.installed import InstalledProject, build_wheels, install


@pytest.fixture(scope="package")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of both distributions."""
    return build_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory, wheels: list[Path]) -> Iterator[InstalledProject]:
    """The project `shop` in an empty folder, as `stori init` makes it, with its local stack running."""
    folder = tmp_path_factory.mktemp("anybody")
    for each in (folder, *folder.parents):
        if each.stat().st_uid == folder.stat().st_uid and each.name.startswith(("anybody", "pytest-")):
            each.chmod(0o711)  # Postgres's account passes, as it does in most homes
    bin_ = install(wheels, folder / "environment")
    empty = InstalledProject(folder, bin_)
    empty.stori("init", "shop")
    project = InstalledProject(folder / "shop", bin_)
    try:
        project.stori("up")
        yield project
    finally:
        project.run("stori", "down")
