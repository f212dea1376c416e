"""Messages: read from pieces of any size, relayed unchanged, and refused if they are malformed."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redshift_local.errors import RedshiftError
from redshift_local.proxy import wire
from redshift_local.proxy.wire import BackendGone, Gone, ProtocolViolation, Stream

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = _tcp_pair()
    yield one, other
    one.close()
    other.close()


def _tcp_pair() -> Pair:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname(), 10)
        other, _ = listener.accept()
    other.settimeout(10)
    return one, other


def _all_of(sock: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        received += sock.recv(1 << 20)
    return received


@pytest.mark.parametrize("size", [0, 1, 11, 100, 5000, 200_000])
@pytest.mark.parametrize("chunk", [16, 61, 4096, 256 * 1024])
def test_rows_are_relayed_unchanged_with_a_buffer_of_any_size(size: int, chunk: int) -> None:
    sent = b"".join(wire.frame(b"D", bytes([i]) * size) for i in range(5))
    (source, backend), (proxy, client) = _tcp_pair(), _tcp_pair()
    with source, backend, proxy, client:
        writing = threading.Thread(target=source.sendall, args=(sent + wire.command_complete("SELECT 5"),))
        writing.start()
        stream, to = Stream(backend, chunk), Stream(proxy, 16)
        received: list[bytes] = []
        reading = threading.Thread(target=lambda: received.append(_all_of(client, len(sent))))
        reading.start()
        stream.relay_all(ord("D"), to)
        to.flush()
        assert stream.message() == (b"C", b"SELECT 5\x00")
        writing.join(10)
        reading.join(10)
    assert received == [sent]


def test_a_message_longer_than_the_buffer_is_read_completely(pair: Pair) -> None:
    body = bytes(range(256)) * 1000
    writing = threading.Thread(target=pair[0].sendall, args=(wire.frame(b"Q", body) + wire.SYNC,))
    writing.start()
    stream = Stream(pair[1], 64)
    assert stream.message() == (b"Q", body)
    assert stream.message() == (b"S", b"")
    writing.join(10)


def test_small_writes_wait_for_a_flush_and_reading_flushes(pair: Pair) -> None:
    one, other = Stream(pair[0], 1024), Stream(pair[1], 1024)
    one.write(wire.SYNC)
    assert not other.has_input
    one.flush()
    assert other.message() == (b"S", b"")
    other.write(wire.ready_for_query(b"I"))
    pair[0].sendall(wire.SYNC)
    other.message()
    assert one.message() == (b"Z", b"I")


@pytest.mark.parametrize("length", [0, 3, 2**31])
def test_a_length_that_no_message_has_is_refused(pair: Pair, length: int) -> None:
    pair[0].sendall(b"Q" + struct.pack("!I", length))
    with pytest.raises(ProtocolViolation):
        Stream(pair[1], 1024).message()


@pytest.mark.parametrize("length", [0, 7, 10_001, 0x47455420])  # the last is "GET ", of a browser
def test_a_length_that_no_startup_has_is_refused(pair: Pair, length: int) -> None:
    pair[0].sendall(struct.pack("!I", length))
    with pytest.raises(ProtocolViolation):
        Stream(pair[1], 1024).startup()


@pytest.mark.parametrize("gone", [Gone, BackendGone])
def test_a_closed_connection_raises_the_error_of_its_end(pair: Pair, gone: type[Gone]) -> None:
    stream = Stream(pair[1], 1024, gone)
    assert not stream.is_closed
    pair[0].sendall(b"Q\x00")  # an incomplete message
    pair[0].close()
    with pytest.raises(gone):
        stream.message()
    assert stream.is_closed or stream.has_input


def test_only_jsonb_columns_become_super() -> None:
    def column(name: str, oid: int) -> bytes:
        return wire.text(name) + struct.pack("!IHIhih", 3802, 3802, oid, -1, 3802, 0)

    described = struct.pack("!H", 3) + column("a", 3802) + column("\x0e", 23) + column("long name", 3802)
    expected = struct.pack("!H", 3) + column("a", 4000) + column("\x0e", 23) + column("long name", 4000)
    assert wire.with_super(described) == expected


def test_declared_parameter_types_are_swapped_one_by_one() -> None:
    types = struct.pack("!H3I", 3, 23, 4000, 0)
    assert wire.swapped_types(types, 4000, 3802) == struct.pack("!H3I", 3, 23, 3802, 0)


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=20), max_size=10))
def test_the_cells_of_a_row_are_parsed_as_they_were_built(values: list[str | None]) -> None:
    assert wire.cells(wire.data_row(values)[5:]) == values


@given(st.dictionaries(st.sampled_from("SVCMDHPWn"), st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1)))
def test_the_fields_of_an_error_are_parsed_as_they_were_built(values: dict[str, str]) -> None:
    assert wire.fields(wire.error_response(values)[5:]) == values


def test_an_error_that_quotes_a_zero_byte_stays_one_message() -> None:
    assert wire.fields(wire.error_response({"C": "22021", "M": "bad \x00 byte"})[5:]) == {"C": "22021", "M": "bad  byte"}


def test_text_that_is_not_utf8_is_an_error_of_the_client() -> None:
    with pytest.raises(RedshiftError) as caught:
        wire.first_text(b"\xff\x00")
    assert caught.value.code == "22021"


def test_startup_parameters_come_back_as_sent() -> None:
    message = wire.startup_message(196608, {"user": "loader", "database": "dev", "options": "-c x=y"})
    assert wire.startup_parameters(message[4:]) == {"user": "loader", "database": "dev", "options": "-c x=y"}
