"""The workflows, the hooks of pre-commit and the releases: they run what `make` and `.ci/run` run, on every supported Python.

Belongs here: what files of the repository say to services. Does not belong here: the pages (`test_readme`, `test_site`).
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from stori_pipeline_tests.readme import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PYPROJECT = (ROOT / "pyproject.toml").read_text()
LOCAL_PYPROJECT = (ROOT / "redshift_local" / "pyproject.toml").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def _parsed(path: Path) -> dict[Any, Any]:
    parsed = yaml.safe_load(path.read_text())
    assert isinstance(parsed, dict)
    return parsed


def _jobs(path: Path) -> dict[str, dict[str, Any]]:
    return dict(_parsed(path)["jobs"])


def _targets(text: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z-]+)", text))


CI = _jobs(ROOT / ".github" / "workflows" / "ci.yml")


def _supported_pythons() -> list[str]:
    found = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', PYPROJECT, re.MULTILINE)
    assert found
    return [f"3.{minor}" for minor in range(int(found[1]), int(found[2]))]


def test_the_workflow_runs_the_make_targets_of_the_ci_script() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    expected = set(re.findall(r"[a-z-]+", script.partition("for target in ")[2].partition(";")[0]))
    assert {"check", "test", "run"} <= expected
    called = {target for job in CI.values() for step in job.get("steps", []) for target in _targets(step.get("run", ""))}
    assert expected <= called
    assert called <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_check_and_test_run_on_every_supported_python() -> None:
    supported = _supported_pythons()
    assert len(supported) > 2
    for job in ("check", "test"):
        assert CI[job]["strategy"]["matrix"]["python"] == supported, job
    classified = re.findall(r'^  "Programming Language :: Python :: (3\.\d+)",$', PYPROJECT, re.MULTILINE)
    assert classified == supported
    for text in (PYPROJECT, LOCAL_PYPROJECT):
        assert f'requires-python = ">={supported[0]},<3.{int(supported[-1].partition(".")[2]) + 1}"' in text
    assert f'target-version = "py{supported[0].replace(".", "")}"' in PYPROJECT
    assert {each for job in CI.values() for each in _pythons_of(job)} <= set(supported)


def _pythons_of(job: dict[str, Any]) -> list[str]:
    written = [str(step.get("with", {}).get("python-version", "")) for step in job["steps"]]
    return [each for each in written if each and "matrix" not in each] + list(job.get("strategy", {}).get("matrix", {}).get("python", []))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_least_rights_pinned_actions_and_bounds(path: Path) -> None:
    workflow = _parsed(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in _jobs(path).items():
        if "uses" in job:
            assert (ROOT / job["uses"]).exists(), name
            continue
        assert job["timeout-minutes"] <= 60, name
        for step in job["steps"]:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", step.get("uses", f"a/b@{'0' * 40}")), f"{name}: {step}"
            assert "${{" not in step.get("run", ""), f"{name}: a value from outside is passed as a variable, or it could be run as code"
    pins = re.findall(r"uses: ([\w./-]+@[0-9a-f]{40})( # v\d+\.\d+\.\d+)?$", path.read_text(), re.MULTILINE)
    assert pins
    assert [action for action, version in pins if not version] == []


def test_only_the_jobs_that_publish_may_write() -> None:
    jobs = _jobs(ROOT / ".github" / "workflows" / "release.yml")
    writing = {name: job["permissions"] for name, job in jobs.items() if "write" in job["permissions"].values()}
    assert writing == {"publish": {"id-token": "write"}, "announce": {"contents": "write"}}
    assert jobs["publish"]["environment"] == "pypi"
    assert (jobs["publish"]["needs"], jobs["announce"]["needs"]) == (["ci", "decoder"], "publish")


def test_a_release_has_wheels_of_the_decoder_for_every_python_and_machine() -> None:
    config = tomllib.loads((ROOT / "copy_decoder" / "pyproject.toml").read_text())["tool"]["cibuildwheel"]
    assert config["build"].split() == [f"cp{python.replace('.', '')}-*" for python in _supported_pythons()]
    assert config["macos"]["archs"] == ["arm64", "x86_64"]
    pins = (ROOT / "requirements.txt").read_text()
    for pinned in config["test-requires"]:
        assert re.search(rf"^{re.escape(pinned)}[ \\]", pins, re.MULTILINE), f"{pinned} is not what the tests here run with"
    assert (ROOT / "copy_decoder" / config["test-command"].rpartition("{package}/")[2]).is_dir()
    job = _jobs(ROOT / ".github" / "workflows" / "release.yml")["decoder"]
    assert {each.split("-")[0] for each in job["strategy"]["matrix"]["machine"]} == {"ubuntu", "macos"}
    assert any("cibuildwheel copy_decoder" in step.get("run", "") for step in job["steps"])
    assert "cibuildwheel==" in (ROOT / "requirements-wheels.txt").read_text()


def test_the_comparison_of_measurements_fails_nothing() -> None:
    assert CI["bench"]["continue-on-error"] is True
    (words,) = [step["run"].split() for step in CI["bench"]["steps"] if "compare" in step.get("run", "")]
    landed = words[words.index("compare") + 1]
    assert (ROOT / landed).exists()
    assert words[-2:] == [">>", '"$GITHUB_STEP_SUMMARY"']


def test_the_newest_release_in_the_changelog_is_the_version_of_both() -> None:
    released = re.findall(r"^## (\d+\.\d+\.\d+) - \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    versions = [re.search(r'^version = "(.+)"$', text, re.MULTILINE) for text in (PYPROJECT, LOCAL_PYPROJECT)]
    assert [found and found[1] for found in versions] == [released[0]] * 2


def _commands_of_check() -> set[tuple[str, ...]]:
    """The commands of `make check`, as it prints them."""
    printed = subprocess.run(["make", "-n", "-o", ".venv/ready", "check"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = " ; ".join(line for line in printed.replace("\\\n", " ").splitlines() if not line.startswith("#"))
    words = list(shlex.shlex(lines, posix=True, punctuation_chars=True))
    commands: list[list[str]] = [[]]
    for word in words:
        if set(word) <= set("&|;()"):
            commands.append([])
        else:
            commands[-1].append(word)
    return {tuple(command) for command in commands if command and command[0].startswith(".venv/bin/")}


def test_pre_commit_runs_what_make_check_runs() -> None:
    (repository,) = _parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = {tuple(shlex.split(hook["entry"])) for hook in repository["hooks"]}
    assert len(hooks) > 3
    assert hooks == _commands_of_check()
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in repository["hooks"])


def test_pre_commit_accepts_its_configuration() -> None:
    program = Path(sys.executable).with_name("pre-commit")
    done = subprocess.run([program, "validate-config"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_every_file_for_the_forge_parses(path: Path) -> None:
    assert _parsed(path)
    if path.parent.name == "ISSUE_TEMPLATE" and path.name != "config.yml":
        form = _parsed(path)
        assert {"name", "description", "body"} <= set(form)
        inputs = [each for each in form["body"] if each["type"] != "markdown"]
        assert all(each["id"] and each["attributes"]["label"] for each in inputs)


def test_coverage_has_a_floor_and_sees_both_distributions() -> None:
    floor = re.search(r"^fail_under = (\d+)", PYPROJECT, re.MULTILINE)
    assert floor
    assert int(floor[1]) >= 80
    assert 'source_pkgs = ["stori_pipeline", "redshift_local"]' in PYPROJECT
    assert "--cov" in MAKEFILE.partition("\ncoverage:")[2].partition("\n\n")[0]
