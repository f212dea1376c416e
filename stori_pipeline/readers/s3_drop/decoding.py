"""The bytes of a dropped file as its formats take them: unpacked, and as text.

Belongs here: gzip and encodings. Does not belong here: rows (`formats`), or fetching a file (`bucket`).
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from stori_pipeline.readers.s3_drop.broken import BrokenFile

_GZIP = b"\x1f\x8b"
_MOST_BYTES = 20_000_000_000  # the limit for an unpacked gzip file


@contextmanager
def unzipped(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file, unpacked if it begins with gzip's magic number, whatever its name is."""
    begin = file.read(2)
    file.seek(0)
    if begin != _GZIP:
        yield file
        return
    with tempfile.TemporaryFile(prefix="stori-drop-") as plain:
        try:
            with gzip.open(file) as source:
                while piece := source.read(1 << 20):
                    plain.write(piece)
                    if plain.tell() > _MOST_BYTES:
                        raise BrokenFile(f"unpacked, it has more than {_MOST_BYTES} bytes")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BrokenFile(f"as gzip it is broken or cut off: {error}") from error
        plain.seek(0)
        yield plain


def text_of(file: IO[bytes], encoding: str = "utf-8") -> IO[str]:
    """The file as text from its beginning, without a byte order mark. The file stays open when the text is closed."""
    file.seek(0)
    # TextIOWrapper closes what it wraps, so it wraps an object whose `close` does not close the file.
    unclosed: Any = _Unclosed(file)  # the type checker requires more methods than TextIOWrapper uses
    is_utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    return io.TextIOWrapper(unclosed, encoding="utf-8-sig" if is_utf8 else encoding, newline="")


class _Unclosed(io.BufferedIOBase):
    """A file that stays open when its reader is done."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        return self._file.read(size if size > 0 else 1 << 16)
