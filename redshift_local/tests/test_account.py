"""The account that runs a server, and the folders that it cannot enter."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from redshift_local.embedded.account import Account, closed_folders


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter."""
    parent = next(path for path in (tempfile.gettempdir(), "/tmp", "/var/tmp") if not closed_folders(Path(path) / "any"))  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix=f"redshift-local-account-{os.getpid()}-", dir=parent))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_the_advice_names_the_closed_folder_and_what_to_do(open_folder: Path) -> None:
    folder = open_folder / "shut"
    folder.mkdir(mode=0o700)
    advice = Account(uid=65_534, gid=65_534).advice(folder / "data")
    assert f"{folder} is closed to other accounts" in advice
    assert f"chmod o+x {folder}" in advice
    assert Account(uid=65_534, gid=65_534).advice(open_folder / "data") == ""


def test_a_closed_folder_behind_a_symbolic_link_is_found(open_folder: Path) -> None:
    hidden = open_folder / "hidden"
    hidden.mkdir(mode=0o700)
    (open_folder / "link").symlink_to(hidden)
    assert closed_folders(open_folder / "link" / "data") == [hidden, open_folder / "link"]
