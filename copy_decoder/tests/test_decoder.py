"""What the decoder makes of bytes, by itself: values, and bytes of any kind.

A release runs these tests in each wheel, on every Python, so they need neither a server nor pyarrow.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import copy_decoder

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS, PRECISIONS, SCALES = b"lisnDTbt", bytes([0, 0, 0, 18, 0, 0, 0, 0]), bytes([0, 0, 0, 2, 0, 0, 0, 0])


def _row(*fields: bytes | None) -> bytes:
    values = (struct.pack(">i", -1) if each is None else struct.pack(">i", len(each)) + each for each in fields)
    return struct.pack(">h", len(fields)) + b"".join(values)


def _binary_row(text: bytes) -> bytes:
    number = struct.pack(">hhHhh", 1, 0, 0, 2, 7)
    return _row(*[struct.pack(">q", 5)] * 3, number, struct.pack(">i", 1), struct.pack(">q", 1), b"\x01", text)


BLOCK = b"".join(_binary_row(text) for text in (b"", b"some", b"more text"))


def _decoded(block: bytes) -> Any:
    return copy_decoder.decode(block, 0, len(block), KINDS, PRECISIONS, SCALES)


def test_values_are_decoded_into_the_buffers_of_arrow() -> None:
    rows, nulls, buffers = _decoded(BLOCK + _row(*[None] * 8))
    assert (rows, nulls) == (4, [1] * 8)
    data = [bytes(buffer[1]) for buffer in buffers]
    assert data[0] == struct.pack("<qqqq", 5, 5, 5, 0)
    assert data[1] == struct.pack("<iiii", 5, 5, 5, 0)
    assert data[2] == struct.pack("<hhhh", 5, 5, 5, 0)
    assert data[3] == b"".join(number.to_bytes(16, "little", signed=True) for number in (700, 700, 700, 0))
    assert data[4] == struct.pack("<iiii", *[1 + 10_957] * 3, 0)
    assert data[5] == struct.pack("<qqqq", *[1 + 946_684_800_000_000] * 3, 0)
    assert data[6] == b"\x07"
    assert (data[7], bytes(buffers[7][2] or b"")) == (b"somemore text", struct.pack("<iiiii", 0, 0, 4, 13, 13))
    assert {bytes(buffer[0])[0] & 0b1111 for buffer in buffers} == {0b0111}


def test_a_value_that_no_array_holds_gives_none() -> None:
    for place, value in ((1, 2**31), (2, 2**15), (5, 2**63 - 1), (5, -(2**63))):
        fields: list[bytes | None] = [None] * 8
        fields[place] = struct.pack(">q", value)
        assert _decoded(_row(*fields)) is None, (place, value)


def test_a_block_that_ends_within_a_row_is_refused() -> None:
    ends = {0, len(_binary_row(b"")), len(_binary_row(b"") + _binary_row(b"some")), len(BLOCK)}
    for end in range(len(BLOCK) + 1):
        if end in ends:
            assert _decoded(BLOCK[:end]) is not None
        else:
            with pytest.raises(ValueError, match="ends within a row"):
                _decoded(BLOCK[:end])
        assert copy_decoder.scan(BLOCK[:end], 0, len(KINDS)) == (max(each for each in ends if each <= end), False)


@given(st.lists(st.tuples(st.integers(0, len(BLOCK) - 1), st.integers(0, 255)), min_size=1, max_size=8), st.binary(max_size=30))
def test_bytes_of_any_kind_end_in_a_result_or_an_error(changes: list[tuple[int, int]], tail: bytes) -> None:
    block = bytearray(BLOCK)
    for at, value in changes:
        block[at] = value
    for each in (bytes(block), bytes(block) + tail, tail):
        for ask in (_decoded, lambda b: copy_decoder.scan(b, 0, 8), lambda b: copy_decoder.cut(b, 0, len(b), 8, 3)):
            _asked(ask, each)


def _asked(ask: Callable[[bytes], object], block: bytes) -> None:
    try:
        ask(block)
    except ValueError as error:
        assert "binary COPY" in str(error)


def test_bounds_and_layouts_that_cannot_be_are_refused() -> None:
    for start, end in ((-1, 5), (5, 4), (0, len(BLOCK) + 1)):
        with pytest.raises(ValueError, match="bounds"):
            copy_decoder.decode(BLOCK, start, end, KINDS, PRECISIONS, SCALES)
    for kinds, precisions in ((b"", b""), (b"lx", b"\0\0"), (b"l", b"\0\0"), (b"n", bytes([39]))):
        with pytest.raises(ValueError, match=r"columns|kind"):
            copy_decoder.decode(BLOCK, 0, len(BLOCK), kinds, precisions, b"\0" * len(kinds))
