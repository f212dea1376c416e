"""The import of `txns.csv` into the bank's database.

Belongs here: creating the schema, and inserting a file in one transaction. Does not belong here: the format of a line (`txns_csv`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from psycopg2 import extensions

from stori_pipeline.local.samples.database import connected
from stori_pipeline.local.samples.report import ImportRefused, ImportReport, Rejected, write_rejects
from stori_pipeline.local.samples.txns_csv import Row, TxnsFile

SCHEMA = Path(__file__).parents[3] / "sql" / "sources" / "bank.sql"
_BATCH = 10_000

_STAGE = """
CREATE TEMPORARY TABLE staged (
    line bigint, account_no text, txn_date date, transaction_details text, chip_used boolean, value_date date,
    withdrawal_amt numeric(18, 2), deposit_amt numeric(18, 2), balance_amt numeric(18, 2), content bytea
) ON COMMIT DROP
"""

# Serial numbers follow the order of the file, because each balance depends on the one before. `fresh` is read twice and calls nextval, so
# it must be evaluated once.
_INSERT = """
WITH numbered AS (
    SELECT *, row_number() OVER (PARTITION BY content ORDER BY line) AS occurrence FROM staged
), missing AS (
    SELECT numbered.* FROM numbered LEFT JOIN imports USING (content, occurrence) WHERE imports.content IS NULL ORDER BY line
), fresh AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('transactions', 'transaction_no')) AS transaction_no, missing.* FROM missing
), posted AS (
    INSERT INTO transactions (transaction_no, account_no, txn_date, transaction_details, chip_used, value_date,
                              withdrawal_amt, deposit_amt, balance_amt)
    SELECT transaction_no, account_no, txn_date, transaction_details, chip_used, value_date, withdrawal_amt, deposit_amt, balance_amt
    FROM fresh
)
INSERT INTO imports (content, occurrence, transaction_no) SELECT content, occurrence, transaction_no FROM fresh
"""


def bank_connection(url: str) -> AbstractContextManager[extensions.connection]:
    """A connection to the bank's database; see `connected`."""
    return connected(url, "the bank")


def create_schema(url: str) -> None:
    """Create the bank's tables if they do not exist."""
    with bank_connection(url) as connection, connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA.read_text(encoding="utf-8"))


def import_txns(url: str, path: Path, *, progress: Callable[[int, int], None] = lambda _done, _total: None) -> ImportReport:
    """Insert the movements of the file at `path` that were not imported before, in one transaction.

    An invalid line is skipped and listed in the report and in `<name>.rejects.csv` beside the file. `progress(done, total)` counts lines;
    the total is an estimate until the end.

    Raises:
        ImportRefused: the file's header is wrong.
        SampleError: the database failed. Nothing was inserted.
    """
    size = path.stat().st_size
    rejected: list[Rejected] = []
    with bank_connection(url) as connection, path.open("rb") as file:
        try:
            lines = TxnsFile(file)
        except ImportRefused as refused:
            raise ImportRefused(f"{path}: {refused}") from None
        with connection, connection.cursor() as cursor:
            # Without the lock, two imports at once would insert the same rows.
            cursor.execute("LOCK TABLE imports IN SHARE ROW EXCLUSIVE MODE")
            cursor.execute(_STAGE)
            staged, batch = 0, list[Row]()
            for line in lines:
                if isinstance(line, Rejected):
                    rejected.append(line)
                    continue
                batch.append(line)
                if len(batch) == _BATCH:
                    staged += _stage(cursor, batch)
                    batch.clear()
                    read = staged + len(rejected)
                    progress(read, read * size // file.tell())
            staged += _stage(cursor, batch)
            cursor.execute("ANALYZE staged")
            cursor.execute(_INSERT)
            inserted = cursor.rowcount
    write_rejects(path, rejected)
    report = ImportReport(path, inserted, staged - inserted, tuple(rejected), lines.ignored_columns)
    progress(report.read, report.read)
    return report


def _stage(cursor: extensions.cursor, rows: Sequence[Row]) -> int:
    buffer = io.StringIO(newline="")
    # COPY reads an empty field as NULL; no value here is an empty text. Lines end with \r\n because the writer quotes fields that contain
    # characters of its line end, and COPY requires quotes around a lone \r.
    csv.writer(buffer, lineterminator="\r\n").writerows((*row[:-1], "\\x" + row.content) for row in rows)
    buffer.seek(0)
    cursor.copy_expert("COPY staged FROM STDIN (FORMAT csv)", buffer)
    return len(rows)
