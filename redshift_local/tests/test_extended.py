"""The extended query protocol, message by message."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from redshift_local.proxy import wire
from tests.client import Client, bind, describe, error, execute, kinds, parse, rows
from tests.sessions import Connect, ask


@pytest.fixture
def client(url: str, schema: str) -> Iterator[Client]:
    with Client(url, options=f"-c search_path={schema},public") as connected:
        yield connected


def test_a_statement_with_parameters_runs(client: Client) -> None:
    reply = client.exchange(parse("SELECT $1::int + 1, $2::varchar"), bind("41", None), describe(), execute())
    assert kinds(reply) == "12TDCZ"
    assert rows(reply) == [["42", None]]


def test_the_rewritten_text_is_prepared(client: Client) -> None:
    reply = client.exchange(parse("SELECT NVL($1::int, 7), LEN('abc')"), bind(None), execute())
    assert rows(reply) == [["7", "3"]]


def test_a_named_statement_is_run_twice_and_closed(client: Client) -> None:
    assert kinds(client.exchange(parse("SELECT $1::int", "s"))) == "1Z"
    assert [rows(client.exchange(bind(str(i), name="s"), execute())) for i in range(3)] == [[["0"]], [["1"]], [["2"]]]
    assert kinds(client.exchange(wire.frame(b"C", b"Ss\x00"))) == "3Z"
    assert error(client.exchange(bind("1", name="s"), execute()))["C"] == "26000"


def test_rows_come_in_portions(client: Client) -> None:
    sql = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"
    reply = client.exchange(parse(sql), bind(portal="p"), execute("p", 2), execute("p", 2))
    assert kinds(reply) == "12DDsDCZ"


def test_flush_brings_answers_before_sync(client: Client) -> None:
    client.send(parse("SELECT 1"), wire.FLUSH)
    assert kinds(client.until(b"1")) == "1"
    assert kinds(client.exchange(bind(), execute())) == "2DCZ"


@pytest.mark.parametrize(
    "bad", ["SELECT 1 / 0", "SELECT nothing", "SELECT ((", "SAVEPOINT s", "COPY t FROM 's3://no/such' IAM_ROLE default FORMAT AS PARQUET"]
)
def test_after_an_error_messages_are_skipped_up_to_sync(client: Client, bad: str) -> None:
    reply = client.exchange(parse("SELECT 1"), bind(), execute(), parse(bad), bind(), execute(), parse("SELECT 2"), bind(), execute())
    assert kinds(reply).rstrip("Z").endswith("E")
    assert rows(reply) == [["1"]]
    assert reply[-1] == (b"Z", b"I")
    assert rows(client.exchange(parse("SELECT 3"), bind(), execute())) == [["3"]]


@pytest.mark.parametrize("bad", ["SELECT 1 / 0", "SAVEPOINT s"])
def test_an_error_before_sync_rolls_back_the_statements_before_it(client: Client, bad: str) -> None:
    client.exchange(parse("CREATE TABLE t (a INT)"), bind(), execute())
    client.exchange(parse("INSERT INTO t VALUES (1)"), bind(), execute(), parse(bad), bind(), execute())
    assert rows(client.exchange(parse("SELECT count(*) FROM t"), bind(), execute())) == [["0"]]


@pytest.mark.parametrize("bad", ["SELECT 1 / 0", "SAVEPOINT s"])
def test_an_error_in_a_block_leaves_it_failed(client: Client, bad: str) -> None:
    assert client.exchange(parse("BEGIN"), bind(), execute())[-1] == (b"Z", b"T")
    assert client.exchange(parse(bad), bind(), execute())[-1] == (b"Z", b"E")
    assert error(client.exchange(parse("SELECT 1"), bind(), execute()))["C"] == "25P02"
    assert client.exchange(parse("ROLLBACK"), bind(), execute())[-1] == (b"Z", b"I")


def test_super_is_described_with_redshifts_type_as_column_and_as_parameter(client: Client) -> None:
    client.exchange(parse("CREATE TABLE t (a SUPER)"), bind(), execute())
    reply = client.exchange(parse("SELECT a FROM t", "s"), wire.frame(b"D", b"Ss\x00"))
    described = dict(reply)
    assert described[b"t"] == b"\x00\x00"
    assert struct.unpack_from("!I", described[b"T"], 2 + len(b"a\x00") + 6)[0] == wire.SUPER
    typed = wire.parse_message("", "INSERT INTO t SELECT $1", struct.pack("!HI", 1, wire.SUPER))
    assert dict(client.exchange(typed, wire.frame(b"D", b"S\x00")))[b"t"] == struct.pack("!HI", 1, wire.SUPER)


def test_truncate_commits_between_statements_without_a_sync(client: Client, connect: Connect) -> None:
    client.exchange(parse("CREATE TABLE t (a INT)"), bind(), execute())
    flight = [
        part for sql in ("BEGIN", "INSERT INTO t VALUES (1)", "TRUNCATE t", "SELECT 1 / 0") for part in (parse(sql), bind(), execute())
    ]
    reply = client.exchange(*flight)
    assert kinds(reply) == "12C12C12C1EZ"  # the division fails in Bind
    assert reply[-1] == (b"Z", b"I")
    assert ask(connect(), "SELECT count(*) FROM t") == [(0,)]


def test_a_commit_can_fail_with_1023(client: Client, connect: Connect) -> None:
    client.exchange(parse("CREATE TABLE t (a INT)"), bind(), execute())
    ask(connect(), "SET redshift_local.fail_commits_with_1023 TO 1")
    flight = [part for sql in ("BEGIN", "INSERT INTO t VALUES (1)", "COMMIT") for part in (parse(sql), bind(), execute())]
    reply = client.exchange(*flight)
    assert (error(reply)["C"], error(reply)["M"]) == ("XX000", "1023")
    assert reply[-1] == (b"Z", b"I")
    assert ask(connect(), "SELECT count(*) FROM t") == [(0,)]


def test_the_clients_unnamed_statement_survives_the_proxys_own_statements(client: Client) -> None:
    client.exchange(parse("SELECT 5"))
    client.exchange(parse("SELECT pg_last_copy_count()", "s"), bind(name="s", portal="p"), execute("p"))
    assert rows(client.exchange(bind(), execute())) == [["5"]]


def test_a_statement_that_the_proxy_answers_has_the_usual_messages(client: Client) -> None:
    reply = client.exchange(parse("SET query_group TO 'etl'"), bind(), describe(), execute())
    assert kinds(reply) == "12nCZ"


def test_an_empty_text_is_an_empty_query(client: Client) -> None:
    assert kinds(client.exchange(parse("  -- nothing\n"), bind(), execute())) == "12IZ"
    client.send(wire.query(""))
    assert kinds(client.until(b"Z")) == "IZ"


def test_several_statements_cannot_be_prepared_as_one(client: Client) -> None:
    assert error(client.exchange(parse("SELECT 1; SELECT 2"), bind(), execute()))["C"] == "42601"


def test_copy_runs_where_it_is_executed(client: Client) -> None:
    client.exchange(parse("CREATE TABLE t (a INT)"), bind(), execute())
    reply = client.exchange(
        parse("COPY t FROM 's3://no-such-bucket/x' IAM_ROLE default FORMAT AS PARQUET", "c"), bind(name="c"), describe(), execute()
    )
    assert kinds(reply) == "12nEZ"
    assert "S3ServiceException" in error(reply)["M"]


def test_copy_from_stdin_is_refused_and_its_data_ignored(client: Client) -> None:
    client.exchange(parse("CREATE TABLE t (a INT)"), bind(), execute())
    client.send(wire.query("COPY t FROM STDIN"), wire.frame(b"d", b"1\n"), wire.COPY_DONE)
    assert error(client.until(b"Z"))["C"] in ("0A000", "42601")
    assert rows(client.exchange(parse("SELECT count(*) FROM t"), bind(), execute())) == [["0"]]


def test_encryption_is_declined_and_the_session_goes_on(url: str) -> None:
    with Client(url, start=False) as client:
        for request in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
            client.send(struct.pack("!II", 8, request))
            assert client.stream.sock.recv(1) == b"N"


def test_drivers_own_parameters_do_not_reach_the_backend(url: str) -> None:
    with Client(url, driver_version="Redshift 2.1", os_version="Linux", client_protocol_version="2", plugin_name="") as client:
        assert client.parameters["server_version"] == "8.0.2"


@pytest.mark.parametrize("nonsense", [b"F\x00\x00\x00\x08\x00\x00\x00\x00", b"\x01\x00\x00\x00\x04", b"Q\xff\xff\xff\xff"])
def test_nonsense_ends_its_own_session_only(url: str, nonsense: bytes) -> None:
    with Client(url) as client, Client(url) as other:
        client.send(nonsense)
        assert error([client.stream.message()])["C"] == "08P01"
        with pytest.raises(wire.Gone):
            client.stream.message()
        assert rows(other.exchange(parse("SELECT 1"), bind(), execute())) == [["1"]]
