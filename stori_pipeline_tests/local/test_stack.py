"""The stack's servers: what `up` and `down` do, and what the servers are for those who ask them.

What an earlier command left behind, half made, has a module of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from redshift_local.embedded import process
from redshift_local.embedded.ports import free_port, is_free
from stori_pipeline.local.stack import Stack
from stori_pipeline.local.state import Run, StackError, State
from stori_pipeline_tests.conftest import ANY_PORTS
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.local.stacks import PATIENCE, pids, running_in, until
from stori_pipeline_tests.shipped import LOCAL, SERVERS


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """A whole stack that this module's tests may kill and stop; each leaves it running."""
    folder = Path(tempfile.mkdtemp(prefix=f"stori-tests-{os.getpid()}-"))
    folder.chmod(0o711)
    stack = Stack(folder / ".stori", LOCAL, durable=False)
    try:
        stack.up(ports=ANY_PORTS)
        yield stack
    finally:
        stack.down()
        shutil.rmtree(folder)


# ---- up, down, status


def test_a_second_up_starts_nothing(own: Stack) -> None:
    before, lines = pids(own), list[str]()
    own.up(say=lines.append)
    assert pids(own) == before
    assert len(lines) == len(SERVERS)
    assert all(line.endswith("was already running") for line in lines)


def test_status_names_every_server_and_its_address_without_credentials(own: Stack) -> None:
    servers = own.status()
    assert [server.name for server in servers] == list(SERVERS)
    assert all(server.up and server.pid and "127.0.0.1" in server.address and "@" not in server.address for server in servers)


def test_status_of_a_stack_that_never_was(home: Path) -> None:
    assert [(server.up, server.pid) for server in Stack(home, LOCAL).status()] == [(False, None)] * len(SERVERS)
    assert not home.exists()


def test_down_of_a_stack_that_never_was_does_nothing(home: Path) -> None:
    lines: list[str] = []
    Stack(home, LOCAL).down(lines.append)
    assert lines == []


def test_data_and_ports_survive_down_and_up(own: Stack) -> None:
    before = own.environ()
    execute(own.postgres_url("sources", "app", "bank"), "CREATE TABLE kept (a text); INSERT INTO kept VALUES ('bank')")
    execute(before["STORI_WAREHOUSE"], "CREATE TABLE kept (a varchar(10))")
    execute(before["STORI_WAREHOUSE"], "INSERT INTO kept VALUES ('dev')")
    with MongoClient[dict[str, object]](before["STORI_ADMIN_EXCHANGE"]) as client:
        client.exchange.kept.insert_one({"_id": "exchange"})
    running = pids(own)

    lines: list[str] = []
    own.down(lines.append)
    assert len(lines) == len(SERVERS)
    assert all(line.endswith("stopped") for line in lines)
    assert [(server.up, server.pid) for server in own.status()] == [(False, None)] * len(SERVERS)
    assert not any(process.exists(pid) for pid in running.values() if pid)

    own.up()
    assert own.environ() == before
    assert execute(before["STORI_SOURCE_BANK"], "SELECT a FROM kept") == [("bank",)]
    assert execute(before["STORI_WAREHOUSE"], "SELECT a FROM kept") == [("dev",)]
    with MongoClient[dict[str, object]](before["STORI_SOURCE_EXCHANGE"]) as client:
        assert [document["_id"] for document in client.exchange.kept.find()] == ["exchange"]


@pytest.mark.parametrize("name", SERVERS)
def test_up_after_a_server_was_killed(own: Stack, name: str) -> None:
    before, addresses = pids(own), own.environ()
    victim = before[name]
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    until(lambda: not next(server for server in own.status() if server.name == name).up, f"the end of {name}")

    own.up()
    after = pids(own)
    assert after[name] not in (None, victim)
    assert {other: pid for other, pid in after.items() if other != name} == {other: pid for other, pid in before.items() if other != name}
    assert own.environ() == addresses
    assert all(server.up for server in own.status())


def test_what_was_acknowledged_before_a_kill_is_there_after_it(own: Stack) -> None:
    addresses = own.environ()
    execute(addresses["STORI_ADMIN_BANK"], "CREATE TABLE sudden (a int)")
    with MongoClient[dict[str, object]](addresses["STORI_ADMIN_EXCHANGE"]) as client:
        for n in range(20):
            execute(addresses["STORI_ADMIN_BANK"], f"INSERT INTO sudden VALUES ({n})")
            client.exchange.sudden.insert_one({"_id": n})
    for name in ("sources", "mongo"):
        pid = pids(own)[name]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    own.up()
    assert execute(addresses["STORI_SOURCE_BANK"], "SELECT count(*) FROM sudden") == [(20,)]
    with MongoClient[dict[str, object]](addresses["STORI_SOURCE_EXCHANGE"]) as client:
        assert client.exchange.sudden.count_documents({}) == 20


def test_two_ups_at_once_start_each_server_once(home: Path) -> None:
    stacks, found = [Stack(home, LOCAL, durable=False) for _ in range(3)], list[dict[str, int | None]]()

    def start(stack: Stack) -> None:
        stack.up(only=["platform", "aws", "redshift"], ports=ANY_PORTS)
        found.append(pids(stack))

    threads = [threading.Thread(target=start, args=[stack]) for stack in stacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == 3
    assert found[0] == found[1] == found[2]
    assert sum(pid is not None for pid in found[0].values()) == 3
    assert len(running_in(home)) == 3


def test_a_server_whose_pid_was_never_noted_is_found_again(own: Stack) -> None:
    """A command that is killed between the start of a server and its note of the pid leaves just that."""
    before = pids(own)
    path = own.home / "state.json"
    state = json.loads(path.read_text())
    for run in state["runs"].values():
        run["pid"] = None
    path.write_text(json.dumps(state))
    own.up()
    assert pids(own) == before


# ---- ports


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_that_names_it(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"mongo: another program uses port {port}"):
            Stack(home, LOCAL).up(only=["mongo"], ports={"mongo": port})


def test_a_port_that_was_asked_for_is_used(home: Path) -> None:
    port = free_port()
    stack = Stack(home, LOCAL, durable=False)
    stack.up(only=["aws"], ports={"aws": port})
    assert stack.client_environ()["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{port}"


def test_the_local_redshift_follows_when_what_stands_behind_it_moves(own: Stack) -> None:
    before = pids(own)
    address = next(server.address for server in own.status() if server.name == "platform")
    assert before["platform"] is not None
    os.kill(before["platform"], signal.SIGKILL)
    until(lambda: is_free(int(address.rsplit(":", 1)[1])), "the port's release")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(address.rsplit(":", 1)[1])))
        taken.listen()
        own.up()
    assert pids(own)["redshift"] != before["redshift"]
    assert execute(own.environ()["STORI_WAREHOUSE"], "SELECT 1") == [(1,)]


def test_a_port_that_another_stack_takes_in_the_last_moment_is_left_to_it(own: Stack, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: two that started at the same moment chose the same ports, and one took the other's servers for its own."""
    theirs = {server.name: int(server.address.split(":")[2].split("/")[0]) for server in own.status()}
    home.mkdir()
    state = State(home / "state.json")
    for name, port in theirs.items():
        state.set_run(name, Run(port))  # it will be asked for again
    believed = set[int]()

    def once_too_early(port: int) -> bool:
        if port in theirs.values() and port not in believed:
            believed.add(port)
            return True
        return is_free(port)

    monkeypatch.setattr("stori_pipeline.local.stack.is_free", once_too_early)
    stack = Stack(home, LOCAL, durable=False)
    servers = stack.up()
    assert believed == set(theirs.values())
    assert all(server.up for server in servers)
    mine = {server.name: int(server.address.split(":")[2].split("/")[0]) for server in servers}
    assert not set(mine.values()) & set(theirs.values())
    assert execute(stack.environ()["STORI_WAREHOUSE"], "SELECT 1") == [(1,)]
    assert all(server.up for server in own.status())


def test_an_unknown_server_is_an_error_that_lists_the_known(home: Path) -> None:
    with pytest.raises(StackError, match="no server 'oracle'; the stack has sources, mongo"):
        Stack(home, LOCAL).up(only=["oracle"])
    with pytest.raises(StackError, match="no server 'oracle'"):
        Stack(home, LOCAL).up(ports={"oracle": 1521})


# ---- errors


def test_a_server_that_cannot_start_shows_the_end_of_its_log_and_where_it_is(home: Path) -> None:
    stack = Stack(home, LOCAL, durable=False)
    stack.up(only=["sources"], ports=ANY_PORTS)
    stack.down()
    (home / "sources" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(StackError) as caught:
        stack.up(only=["sources"])
    message = str(caught.value)
    assert str(home / "log" / "sources.log") in message
    assert "not compatible" in message
    assert stack.postgres_url("sources", "postgres", "bank").split("@")[0].rsplit(":", 1)[1] not in message


def test_data_without_their_passwords_are_refused_in_words(home: Path) -> None:
    (home / "mongo").mkdir(parents=True)
    with pytest.raises(StackError, match="lacks their passwords"):
        Stack(home, LOCAL).up(only=["mongo"])


# ---- what the pipeline is told


def test_environ_names_everything_that_the_pipeline_asks_for(own: Stack) -> None:
    addresses = own.environ()
    assert set(addresses) == {
        "STORI_SOURCE_BANK",
        "STORI_SOURCE_EXCHANGE",
        "STORI_SOURCE_DROPS",
        "STORI_SOURCE_RATES",
        "STORI_WAREHOUSE_READER",
        "STORI_ALERT_TOPIC",
        "STORI_METRICS",
        "STORI_TARGET_LAG",
        "STORI_SOURCE_TOTESYS",
        "STORI_SOURCE_EVENTS",
        "STORI_ADMIN_APP",
        "STORI_SOURCE_APP",
        "STORI_ADMIN_TOTESYS",
        "STORI_ADMIN_BANK",
        "STORI_ADMIN_EXCHANGE",
        "STORI_WAREHOUSE",
        "STORI_COPY_ROLE",
        "STORI_LANDING_BUCKET",
        "STORI_PROCESSED_BUCKET",
        "STORI_DAGSTER_STORAGE",
        "DAGSTER_HOME",
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DEFAULT_REGION",
    }
    assert all(addresses.values())
    assert addresses["DAGSTER_HOME"] == str(own.home.parent)


def test_passwords_are_for_the_owner_alone_and_in_no_repr_nor_command_line(own: Stack) -> None:
    path = own.home / "state.json"
    assert path.stat().st_mode & 0o777 == 0o600
    secrets = json.loads(path.read_text())["passwords"].values()
    commands = running_in(own.home)
    assert len(commands) == len(SERVERS)
    shown = repr(own) + repr(own._state) + "\n".join(commands)
    shown += "".join(log.read_text() for log in (own.home / "log").iterdir())
    assert not [secret for secret in secrets if secret in shown]


# ---- odds and ends


def test_the_project_may_be_in_a_folder_that_is_closed_to_others(home: Path) -> None:
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    stack = Stack(closed / "project" / ".stori", LOCAL, durable=False)
    try:
        stack.up(only=["sources"], ports=ANY_PORTS)
        assert execute(stack.postgres_url("sources", "reader", "bank"), "SELECT 1") == [(1,)]
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        stack.down()


def test_asking_for_the_status_loads_no_driver() -> None:
    program = (
        "import sys; from pathlib import Path; from stori_pipeline.local.stack import Stack; Stack(Path('/nowhere')).status();"
        "print([m for m in ('psycopg2', 'pymongo', 'boto3', 'moto', 'polars', 'pyarrow', 'sqlglot') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout.strip() == "[]"
