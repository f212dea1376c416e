"""Writing `.env`: read back as it was meant, for the owner alone, and a person's own lines left in place."""

from __future__ import annotations

from pathlib import Path

import dotenv
import pytest

from stori_pipeline.local.dotenv import write_env


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "",
        "postgresql://u:p%40ss@127.0.0.1:5439/dev?a=b&c=d",
        "it's",
        'say "x"',
        "back\\slash",
        "#no comment",
        "$HOME ${X}",
        " s p ",
        "ü",
    ],
)
def test_a_value_is_read_back_as_it_was(tmp_path: Path, value: str) -> None:
    path = tmp_path / ".env"
    write_env(path, {"A": value, "B": "after"})
    assert dotenv.dotenv_values(path, interpolate=False) == {"A": value, "B": "after"}


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(0o644)
    write_env(path, {"A": "2"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert [child.name for child in tmp_path.iterdir()] == [".env"]


def test_lines_about_other_names_stay_and_ours_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nMINE='x'\nA=old\nexport B = older\nAB=1\n")
    write_env(path, {"A": "new", "B": "newer"})
    assert path.read_text() == "# mine\nMINE='x'\nAB=1\nA='new'\nB='newer'\n"
    before = path.read_text()
    write_env(path, {"A": "new", "B": "newer"})
    assert path.read_text() == before


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    nobody = 2**22 + 1  # beyond the largest pid
    left = tmp_path / f".env.1.{nobody}.new"
    left.write_text("A='half")
    write_env(tmp_path / ".env", {"A": "1"})
    assert not left.exists()
