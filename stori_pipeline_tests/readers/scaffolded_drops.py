"""A bucket whose files are scaffolded, for tests of suggested definitions of dropped files.

Belongs here: writing files in each format, and the table that a printed definition makes. Does not belong here: which types are suggested.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.readers import scaffold
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.readers.drained import Drained, drained
from stori_pipeline_tests.readers.dropping import Drops

SOURCE = Source("partners", "s3_drop", "Partners.")


def suggested(drops: Drops, name: str) -> tuple[str, Table]:
    """The printed definition of a folder, and its table."""
    text = scaffold("s3_drop", f"s3://{drops.bucket}", SOURCE.name, name)
    return text, pasted(text, SOURCE)


def read(drops: Drops, table: Table) -> Drained:
    """Every row of a table; none may be rejected."""
    found = drained(drops.reader, table)
    assert found.rejected == []
    return found


def csv_text(rows: Sequence[Sequence[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()
