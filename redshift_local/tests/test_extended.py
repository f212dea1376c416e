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
    got = client.asked(parse("SELECT $1::int + 1, $2::varchar"), bind("41", None), describe(), execute())
    assert kinds(got) == "12TDCZ"
    assert rows(got) == [["42", None]]


def test_rewritten_text_is_what_is_prepared(client: Client) -> None:
    got = client.asked(parse("SELECT NVL($1::int, 7), LEN('abc')"), bind(None), execute())
    assert rows(got) == [["7", "3"]]


def test_a_named_statement_is_run_again_and_forgotten(client: Client) -> None:
    assert kinds(client.asked(parse("SELECT $1::int", "s"))) == "1Z"
    assert [rows(client.asked(bind(str(i), name="s"), execute())) for i in range(3)] == [[["0"]], [["1"]], [["2"]]]
    assert kinds(client.asked(wire.frame(b"C", b"Ss\x00"))) == "3Z"
    assert error(client.asked(bind("1", name="s"), execute()))["C"] == "26000"


def test_rows_come_in_portions(client: Client) -> None:
    sql = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"
    got = client.asked(parse(sql), bind(portal="p"), execute("p", 2), execute("p", 2))
    assert kinds(got) == "12DDsDCZ"


def test_flush_brings_answers_before_sync(client: Client) -> None:
    client.send(parse("SELECT 1"), wire.FLUSH)
    assert kinds(client.until(b"1")) == "1"
    assert kinds(client.asked(bind(), execute())) == "2DCZ"


@pytest.mark.parametrize(
    "bad", ["SELECT 1 / 0", "SELECT nothing", "SELECT ((", "SAVEPOINT s", "COPY t FROM 's3://no/such' IAM_ROLE default FORMAT AS PARQUET"]
)
def test_after_an_error_all_is_skipped_up_to_sync(client: Client, bad: str) -> None:
    got = client.asked(parse("SELECT 1"), bind(), execute(), parse(bad), bind(), execute(), parse("SELECT 2"), bind(), execute())
    assert kinds(got).rstrip("Z").endswith("E")
    assert rows(got) == [["1"]]
    assert got[-1] == (b"Z", b"I")
    assert rows(client.asked(parse("SELECT 3"), bind(), execute())) == [["3"]]


@pytest.mark.parametrize("bad", ["SELECT 1 / 0", "SAVEPOINT s"])
def test_an_error_before_sync_undoes_the_statements_before_it(client: Client, bad: str) -> None:
    client.asked(parse("CREATE TABLE t (a INT)"), bind(), execute())
    client.asked(parse("INSERT INTO t VALUES (1)"), bind(), execute(), parse(bad), bind(), execute())
    assert rows(client.asked(parse("SELECT count(*) FROM t"), bind(), execute())) == [["0"]]


@pytest.mark.parametrize("bad", ["SELECT 1 / 0", "SAVEPOINT s"])
def test_an_error_in_a_block_leaves_it_failed(client: Client, bad: str) -> None:
    assert client.asked(parse("BEGIN"), bind(), execute())[-1] == (b"Z", b"T")
    assert client.asked(parse(bad), bind(), execute())[-1] == (b"Z", b"E")
    assert error(client.asked(parse("SELECT 1"), bind(), execute()))["C"] == "25P02"
    assert client.asked(parse("ROLLBACK"), bind(), execute())[-1] == (b"Z", b"I")


def test_super_is_described_with_redshifts_type_as_column_and_as_parameter(client: Client) -> None:
    client.asked(parse("CREATE TABLE t (a SUPER)"), bind(), execute())
    got = client.asked(parse("SELECT a FROM t", "s"), wire.frame(b"D", b"Ss\x00"))
    described = dict(got)
    assert described[b"t"] == b"\x00\x00"
    assert struct.unpack_from("!I", described[b"T"], 2 + len(b"a\x00") + 6)[0] == wire.SUPER
    typed = wire.parse_message("", "INSERT INTO t SELECT $1", struct.pack("!HI", 1, wire.SUPER))
    assert dict(client.asked(typed, wire.frame(b"D", b"S\x00")))[b"t"] == struct.pack("!HI", 1, wire.SUPER)


def test_truncate_commits_in_the_middle_of_a_flight(client: Client, connect: Connect) -> None:
    client.asked(parse("CREATE TABLE t (a INT)"), bind(), execute())
    flight = [
        part for sql in ("BEGIN", "INSERT INTO t VALUES (1)", "TRUNCATE t", "SELECT 1 / 0") for part in (parse(sql), bind(), execute())
    ]
    got = client.asked(*flight)
    assert kinds(got) == "12C12C12C1EZ"  # the division is tried as soon as it is bound
    assert got[-1] == (b"Z", b"I")
    assert ask(connect(), "SELECT count(*) FROM t") == [(0,)]


def test_a_commit_can_fail_with_1023(client: Client, connect: Connect) -> None:
    client.asked(parse("CREATE TABLE t (a INT)"), bind(), execute())
    ask(connect(), "SET redshift_local.fail_commits_with_1023 TO 1")
    flight = [part for sql in ("BEGIN", "INSERT INTO t VALUES (1)", "COMMIT") for part in (parse(sql), bind(), execute())]
    got = client.asked(*flight)
    assert (error(got)["C"], error(got)["M"]) == ("XX000", "1023")
    assert got[-1] == (b"Z", b"I")
    assert ask(connect(), "SELECT count(*) FROM t") == [(0,)]


def test_the_clients_unnamed_statement_survives_statements_of_our_own(client: Client) -> None:
    client.asked(parse("SELECT 5"))
    client.asked(parse("SELECT pg_last_copy_count()", "s"), bind(name="s", portal="p"), execute("p"))
    assert rows(client.asked(bind(), execute())) == [["5"]]


def test_a_statement_without_the_backend_has_the_usual_messages(client: Client) -> None:
    got = client.asked(parse("SET query_group TO 'etl'"), bind(), describe(), execute())
    assert kinds(got) == "12nCZ"


def test_an_empty_text_is_an_empty_query(client: Client) -> None:
    assert kinds(client.asked(parse("  -- nothing\n"), bind(), execute())) == "12IZ"
    client.send(wire.query(""))
    assert kinds(client.until(b"Z")) == "IZ"


def test_several_statements_cannot_be_prepared_as_one(client: Client) -> None:
    assert error(client.asked(parse("SELECT 1; SELECT 2"), bind(), execute()))["C"] == "42601"


def test_copy_runs_where_it_is_executed(client: Client) -> None:
    client.asked(parse("CREATE TABLE t (a INT)"), bind(), execute())
    got = client.asked(
        parse("COPY t FROM 's3://no-such-bucket/x' IAM_ROLE default FORMAT AS PARQUET", "c"), bind(name="c"), describe(), execute()
    )
    assert kinds(got) == "12nEZ"
    assert "S3ServiceException" in error(got)["M"]


def test_copy_from_stdin_is_refused_and_its_data_ignored(client: Client) -> None:
    client.asked(parse("CREATE TABLE t (a INT)"), bind(), execute())
    client.send(wire.query("COPY t FROM STDIN"), wire.frame(b"d", b"1\n"), wire.COPY_DONE)
    assert error(client.until(b"Z"))["C"] in ("0A000", "42601")
    assert rows(client.asked(parse("SELECT count(*) FROM t"), bind(), execute())) == [["0"]]


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
        assert rows(other.asked(parse("SELECT 1"), bind(), execute())) == [["1"]]
