"""A `DAGSTER_HOME` of another project is named, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from stori_pipeline.cli.console import load_dotenv
from stori_pipeline.runtime.home import warn_of_foreign_home


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("storage:\n  custom:\n    module: stori_pipeline.runtime.storage\n")
    monkeypatch.setenv("DAGSTER_HOME_WARNED_OF", "")
    return folder


@pytest.mark.parametrize("config", ["telemetry:\n  enabled: false\n", None], ids=["another project's", "an empty folder"])
def test_both_folders_are_named_once(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, config: str | None
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    if config:
        (other / "dagster.yaml").write_text(config)
    monkeypatch.setenv("DAGSTER_HOME", str(other))
    warn_of_foreign_home(project)
    warn_of_foreign_home(project)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"DAGSTER_HOME is {other}" in record.message
    assert f"set it to {project}" in record.message


def test_the_projects_own_folder_and_a_copy_of_its_configuration_are_right(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "home"
    copy.mkdir()
    (copy / "dagster.yaml").write_text((project / "dagster.yaml").read_text())
    for home in (str(project), f"{project}/../project", str(copy), ""):
        monkeypatch.setenv("DAGSTER_HOME", home)
        warn_of_foreign_home(project)
    assert caplog.records == []


def test_a_folder_that_does_not_exist_is_not_said_to_be_another_projects(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "nothing"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    warn_of_foreign_home(project)
    (record,) = caplog.records
    assert f"DAGSTER_HOME is {home}, and there is no such folder: no run can start" in record.message
    (project / ".env").write_text(f"DAGSTER_HOME={project}\n")
    monkeypatch.chdir(project)
    load_dotenv()
    assert f"DAGSTER_HOME is {home}, and there is no such folder. Runs go to {project}, as in .env" in " ".join(
        capsys.readouterr().err.split()
    )
