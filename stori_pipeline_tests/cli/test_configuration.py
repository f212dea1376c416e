"""`stori settings`: values without secrets, where they come from, what is wrong with them, and connections."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from stori_pipeline_tests.cli.conftest import ProjectFolder
from stori_pipeline_tests.commands import Ended


def by_name(ended: Ended) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in ended.json["settings"]}


def test_settings_lists_values_without_secrets_and_where_they_come_from(project: ProjectFolder) -> None:
    ended = project.stori("settings", "--json", env={"STORI_METRICS": "0", "STORI_API_KEY": "hushhush"}).expect(0)
    listed = by_name(ended)
    warehouse = urlsplit(project.environ["STORI_WAREHOUSE"])
    assert listed["STORI_WAREHOUSE"]["value"] == f"{warehouse.username}@{warehouse.hostname}:{warehouse.port}"
    origins = {name: listed[name]["origin"] for name in ("STORI_WAREHOUSE", "STORI_METRICS", "STORI_LOG", "STORI_ALERT_WEBHOOK")}
    assert origins == {
        "STORI_WAREHOUSE": ".env",
        "STORI_METRICS": "environment",
        "STORI_LOG": "default",
        "STORI_ALERT_WEBHOOK": "",
    }
    assert listed["STORI_SOURCE_BANK"]["secret"]
    assert all(each["meaning"] for each in listed.values())
    assert ended.json["unknown"] == []
    text = project.stori("settings", env={"STORI_API_KEY": "hushhush"}).expect(0)
    for secret in ("hushhush", *(urlsplit(value).password for value in project.environ.values() if value.startswith("postgresql"))):
        assert str(secret) not in ended.output + text.output


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("STORI_WAREHOUSE", "http://loader:hushhush@cluster/dev", "does not begin with postgresql://"),
        ("STORI_SOURCE_BANK", "postgresql://reader:hush/hush@host/bank", "has a password with a special character"),
        ("STORI_SOURCE_EXCHANGE", "mongodb://reader:hushhush@one:27017,two:99999/exchange", "has a port that is no number"),
        ("STORI_COPY_ROLE", "copy", "is not the ARN of a role"),
        ("STORI_LANDING_BUCKET", "", "is empty"),
        ("STORI_METRICS", "yes", "is not 0 or 1"),
    ],
)
def test_an_invalid_value_names_the_setting_and_never_a_secret(project: ProjectFolder, name: str, value: str, problem: str) -> None:
    ended = project.stori("settings", env={name: value})
    assert ended.code == 1
    (line,) = [each for each in ended.out.splitlines() if each.startswith(f"{name} ")]
    assert problem in line
    assert "it should hold" in line
    assert "hush" not in ended.output


def test_a_command_refuses_an_invalid_value_before_it_connects(project: ProjectFolder) -> None:
    ended = project.stori("verify", "bank.transactions", env={"STORI_WAREHOUSE": "mysql://loader:hushhush@cluster/dev"})
    assert ended.code == 1
    assert ended.err.startswith("Error: STORI_WAREHOUSE does not begin with postgresql:// or postgres://; it should hold the address")
    assert "hushhush" not in ended.output


def test_an_unknown_name_is_a_warning_with_the_nearest_one(project: ProjectFolder) -> None:
    ended = project.stori("settings", env={"STORI_WAREHUOSE": "x", "STORI_SOURCE_BNAK": "x"}).expect(0)
    assert "STORI_WAREHUOSE is set, but there is no such setting; did you mean STORI_WAREHOUSE?" in ended.err
    assert "STORI_SOURCE_BNAK is set, but there is no such setting; did you mean STORI_SOURCE_BANK?" in ended.err


def test_check_tries_every_connection_and_says_which_fails(project: ProjectFolder) -> None:
    away = "mongodb://reader:hushhush@127.0.0.1:1/exchange?serverSelectionTimeoutMS=500"
    ended = project.stori("settings", "--check", "--json", env={"STORI_SOURCE_EXCHANGE": away})
    assert ended.code == 1
    tried = {each["name"]: each for each in ended.json["connections"]}
    assert [name for name, each in tried.items() if not each["works"]] == ["source exchange"]
    assert "cannot be reached" in tried["source exchange"]["message"]
    assert {"source bank", "warehouse", "landing bucket", "processed bucket", "Dagster's storage"} <= set(tried)
    assert "hushhush" not in ended.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGSSLMODE", "verify-full"),
        ("PGSERVICE", "another"),
        ("PGOPTIONS", "-c nonsense=1"),
        ("AWS_PROFILE", "another"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ],
)
def test_an_error_names_the_variable_of_another_program(project: ProjectFolder, name: str, value: str) -> None:
    ended = project.stori("settings", "--check", env={name: value})
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert f"{name} is set and changes this connection" in ended.out
