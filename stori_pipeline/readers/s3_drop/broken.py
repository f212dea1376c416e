"""Files that are refused: the error, and the boundary at which any failure of a library becomes one.

Belongs here: `BrokenFile`, and what a library's exception says of a file. Does not belong here: a file's content (`formats`, `csv_values`,
`json_values`, `parquet_values`), or the row that quarantine keeps of a broken file (`reading`).
"""

# A partner's file may hold any bytes, and the libraries that read it have no list of what they raise. So a failure while a file is read is
# one of the file, and quarantine has it. What is not: failures of S3 (a SourceError) and of this machine (memory, the disk), which stop the
# table, because the same file may be read next time.

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stori_pipeline.imports import later
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.s3_drop.json_values import NotJson

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")


class BrokenFile(ValueError):
    """A file that is refused. The message gives the reason to the person who dropped it."""


@contextmanager
def complete() -> Iterator[None]:
    """Translates the libraries' errors about a file into BrokenFile."""
    try:
        yield
    except (BrokenFile, SourceError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the temporary file; Arrow's OSErrors about a file's content have no number
        raise BrokenFile(_reason(error)) from error


def _reason(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0][:200]
    if isinstance(error, UnicodeDecodeError):
        return (
            f"it is not {error.encoding.upper()}: {error.reason}; if it has another encoding, name it in the definition: encoding='cp1252'"
        )
    if isinstance(error, NotJson):
        return f"as JSON it is broken or cut off: {error}"
    if isinstance(error, csv.Error):
        return f"as CSV it is broken or cut off: {error}"
    if isinstance(error, (pa.ArrowException, OSError)):
        return f"as Parquet it is broken or cut off: {first}"
    return f"it cannot be read: {type(error).__name__}: {first}"
