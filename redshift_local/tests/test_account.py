"""The account that a server runs under, and the folders that it cannot pass."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from redshift_local.embedded.account import Account, closed_folders


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter."""
    parent = next(place for place in (tempfile.gettempdir(), "/tmp", "/var/tmp") if not closed_folders(Path(place) / "any"))  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix=f"redshift-local-account-{os.getpid()}-", dir=parent))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_the_advice_names_the_closed_folder_and_what_to_do(place: Path) -> None:
    folder = place / "shut"
    folder.mkdir(mode=0o700)
    advice = Account(uid=65_534, gid=65_534).advice(folder / "data")
    assert f"{folder} is closed to others" in advice
    assert f"chmod o+x {folder}" in advice
    assert Account(uid=65_534, gid=65_534).advice(place / "data") == ""


def test_a_folder_behind_a_symbolic_link_counts_as_one_on_the_way(place: Path) -> None:
    hidden = place / "hidden"
    hidden.mkdir(mode=0o700)
    (place / "link").symlink_to(hidden)
    assert closed_folders(place / "link" / "data") == [hidden, place / "link"]
