"""What to do if a file of a batch is gone from the lake.

Belongs here: COPY's words for it, and the advice. Does not belong here: what can be read again (`model.table`), or loading (`load`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from stori_pipeline.model.table import Table
from stori_pipeline.warehouse.session import WarehouseError, WarehouseUnavailable

_LOST_PART = re.compile("mandatory url is not present|no files found in manifest", re.IGNORECASE)


@contextmanager
def lost_parts_explained(table: Table) -> Iterator[None]:
    """Says what to do if COPY (error 8001) misses a part that the batch's manifest names."""
    try:
        yield
    except WarehouseError as error:
        if isinstance(error, WarehouseUnavailable) or not _LOST_PART.search(str(error)):
            raise
        part = re.search(r"s3://\S+?/batch=0*(\d+)/\S+?\.parquet", str(error))
        what = f"the file {part[0]} of batch {part[1]} is gone from the lake" if part else "a file of the new batches is gone from the lake"
        raise WarehouseError(f"{error}; {what}, and nothing was loaded: {table.lost_part_advice}") from error
