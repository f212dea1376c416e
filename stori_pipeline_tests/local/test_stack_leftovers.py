"""What an earlier command left behind, half made or noted in vain, and how `up` and `down` go on from there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import MongoClient

from redshift_local.embedded.account import Account
from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.conftest import ANY_PORTS
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.local.stacks import PATIENCE, pids, running_in, until
from stori_pipeline_tests.shipped import LOCAL, SERVERS


def sleeper(account: Account | None = None) -> subprocess.Popen[bytes]:
    """A process that has nothing to do with any stack."""
    through = account.through() if account else []
    return subprocess.Popen([*through, "sleep", "600"])


def end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait(PATIENCE)


def test_a_recycled_pid_is_never_taken_for_a_server_nor_killed(home: Path) -> None:
    own = Stack(home, LOCAL, durable=False)
    own.up(only=["aws"], ports=ANY_PORTS)
    own.down()
    stranger = sleeper()
    try:
        path = home / "state.json"
        state = json.loads(path.read_text())
        for run in state["runs"].values():
            run["pid"] = stranger.pid
        path.write_text(json.dumps(state))
        assert [server.pid for server in own.status()] == [None] * len(SERVERS)
        own.down()
        assert stranger.poll() is None
        own.up(only=["aws"])
        assert pids(own)["aws"] not in (None, stranger.pid)
        assert stranger.poll() is None
    finally:
        end(stranger)


def test_a_recycled_pid_in_postgres_own_lock_file_does_not_keep_it_down(home: Path) -> None:
    stack = Stack(home, LOCAL, durable=False)
    stack.up(only=["sources"], ports=ANY_PORTS)
    stack.down()
    stranger = sleeper(Account.for_servers(home / "sources"))
    try:
        lock = home / "sources" / "postmaster.pid"
        lock.write_text(f"{stranger.pid}\n{home / 'sources'}\n1700000000\n54321\n\n127.0.0.1\n")
        stack.up(only=["sources"])
        assert pids(stack)["sources"] not in (None, stranger.pid)
        assert stranger.poll() is None
    finally:
        end(stranger)


def test_a_cluster_that_was_half_made_is_made_anew(home: Path) -> None:
    half = home / "sources.new.4711" / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    stack = Stack(home, LOCAL, durable=False)
    stack.up(only=["sources"], ports=ANY_PORTS)
    assert execute(stack.postgres_url("sources", "reader", "bank"), "SELECT 1") == [(1,)]
    assert not list(home.glob("*.new*"))


@pytest.mark.parametrize(
    ("name", "reached"), [("sources", "sources.new.*"), ("sources", "log/sources.log"), ("mongo", "mongo.new"), ("mongo", "mongo")]
)
def test_an_up_that_is_killed_on_its_way_needs_no_cleaning(home: Path, name: str, reached: str) -> None:
    program = f"from pathlib import Path; from stori_pipeline.local.stack import Stack; Stack(Path({str(home)!r})).up(only=[{name!r}])"
    child = subprocess.Popen([sys.executable, "-c", program])
    try:
        until(lambda: bool(list(home.glob(reached))), reached)
    finally:
        end(child)
    stack = Stack(home, LOCAL)
    stack.up(only=[name])
    if name == "sources":
        assert execute(stack.postgres_url("sources", "reader", "bank"), "SELECT 1") == [(1,)]
    else:
        with MongoClient[dict[str, object]](stack.mongo_url("reader", "exchange")) as client:
            assert client.exchange.trades.count_documents({}) == 0
    assert not list(home.glob("*.new*"))
    stack.down()
    assert not running_in(home)


@pytest.mark.parametrize(("name", "reached"), [("sources", "log/sources.log"), ("mongo", "mongo.new/WiredTiger.lock")])
def test_down_after_an_up_that_was_killed_leaves_nothing_running(home: Path, name: str, reached: str) -> None:
    program = f"from pathlib import Path; from stori_pipeline.local.stack import Stack; Stack(Path({str(home)!r})).up(only=[{name!r}])"
    child = subprocess.Popen([sys.executable, "-c", program])
    try:
        until(lambda: bool(list(home.glob(reached))), reached)
    finally:
        end(child)
    Stack(home, LOCAL).down()
    # A program that was not yet started when `up` was killed ends by itself, in a moment.
    until(lambda: not running_in(home), "the end of every process")
