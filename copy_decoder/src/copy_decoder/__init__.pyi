from typing import TypeAlias

_Buffers: TypeAlias = tuple[bytes, bytes, bytes | None]

def scan(block: bytes, start: int, columns: int, /) -> tuple[int, bool]:
    """The end of the last complete row from `start` on, and whether the trailer of the stream follows it.

    Raises:
        ValueError: there is something else than rows of so many columns.
    """

def cut(block: bytes, start: int, end: int, columns: int, pieces: int, /) -> list[int]:
    """Offsets of rows between `start` and `end` that divide these into about so many pieces. Raises ValueError as `scan` does."""

def decode(
    block: bytes, start: int, end: int, kinds: bytes, precisions: bytes, scales: bytes, /
) -> tuple[int, list[int], list[_Buffers]] | None:
    """The number of rows, the number of nulls of each column, and its buffers: validity, data, and offsets of texts.

    Args:
        kinds: a letter for each column: `l`, `i`, `s` for an int8 that becomes an integer of 64, 32 or 16 bits; `n` for a numeric that
            becomes a decimal128; `D` for a date, `T` for a timestamptz, `b` for a boolean, `t` for a text.
        precisions: of the decimals, a byte for each column.
        scales: likewise.

    Returns:
        None if a value is infinite, not a number, or outside its column's range.

    Raises:
        ValueError: the block is malformed.
    """

def receive(connection: int, get_copy_data: int, free_memory: int, enough: int, /) -> tuple[bytes, int]:
    """The next messages of a COPY that has begun, at least `enough` bytes of them, and the last status of PQgetCopyData: positive if more
    may follow, -1 at the end, -2 after an error. Releases the GIL while it waits.

    Args:
        connection: the address of libpq's connection.
        get_copy_data: the address of `PQgetCopyData` in the same libpq.
        free_memory: the address of its `PQfreemem`.
    """
