"""txns.csv into a real Postgres: everything once, bad lines left out, and nothing half after a crash."""

import csv
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from stori_pipeline.catalog.bank import TABLES
from stori_pipeline.local.samples import bank
from stori_pipeline.local.samples.bank_import import create_schema, import_txns
from stori_pipeline.local.samples.report import ImportRefused, SampleError, rejects_path
from stori_pipeline_tests.conftest import SourceDatabase

LINE = '409000611074,29-Jun-17,{},FALSE,29-Jun-17,," 1,000.00 "," {} "'


@pytest.fixture
def url(source_db: SourceDatabase) -> str:
    create_schema(source_db.admin_url)
    return source_db.admin_url


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([bank.HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def test_the_source_has_exactly_the_columns_of_its_record(url: str, source_db: SourceDatabase) -> None:
    create_schema(url)
    (record,) = TABLES
    found = rows(url, "SELECT column_name FROM information_schema.columns WHERE table_name = 'transactions' ORDER BY ordinal_position")
    assert [name for (name,) in found] == [column.name for column in record.columns]
    assert rows(url, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'transactions'::regclass") == [(0,)]
    assert rows(source_db.reader_url, "SELECT count(*) FROM transactions") == [(0,)]


def test_a_second_import_inserts_nothing(url: str, tmp_path: Path) -> None:
    path = tmp_path / "txns.csv"
    bank.write_txns(path, rows=12_000)
    first = import_txns(url, path)
    assert (first.inserted, first.existing, first.rejected) == (12_000, 0, ())
    before = rows(url, "SELECT * FROM transactions ORDER BY transaction_no")
    second = import_txns(url, path)
    assert (second.inserted, second.existing, second.rejected) == (0, 12_000, ())
    assert rows(url, "SELECT * FROM transactions ORDER BY transaction_no") == before


def test_serial_numbers_follow_the_file_so_balances_add_up_in_the_database(url: str, tmp_path: Path) -> None:
    path = tmp_path / "txns.csv"
    bank.write_txns(path, rows=12_000)
    import_txns(url, path)
    breaks = rows(
        url,
        """
        SELECT * FROM (
            SELECT *, balance_amt - lag(balance_amt, 1, 0) OVER (PARTITION BY account_no ORDER BY transaction_no)
                      - coalesce(deposit_amt, 0) + coalesce(withdrawal_amt, 0) AS gap
            FROM transactions
        ) AS checked WHERE gap <> 0
        """,
    )
    assert breaks == []
    assert rows(url, "SELECT min(transaction_no), max(transaction_no) FROM transactions") == [(1, 12_000)]


def test_five_equal_lines_stay_five_rows(url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "txns.csv", *[LINE.format("SAME", "1,000.00")] * 5)
    assert import_txns(url, path).inserted == 5
    assert import_txns(url, path).inserted == 0
    write(path, *[LINE.format("SAME", "1,000.00")] * 6)
    report = import_txns(url, path)
    assert (report.inserted, report.existing) == (1, 5)


def test_a_row_that_was_edited_or_deleted_since_is_not_imported_again(url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "txns.csv", LINE.format("A", "1.00"), LINE.format("B", "2.00"))
    import_txns(url, path)
    rows(url, "DELETE FROM transactions WHERE transaction_details = 'A'")
    rows(url, "UPDATE transactions SET transaction_details = 'C'")
    assert import_txns(url, path).inserted == 0
    assert rows(url, "SELECT transaction_details FROM transactions") == [("C",)]


def test_bad_lines_are_left_out_and_listed_beside_the_file(url: str, tmp_path: Path) -> None:
    path = tmp_path / "txns.csv"
    good = LINE.format("GOOD", "1.00").encode()
    bad = [good.replace(b"GOOD", b"a\0b"), good.replace(b"29-Jun", b"31-Jun"), b"x" * 5_000_000, b'"', b"\xff\xfe"]
    path.write_bytes(b"\n".join([bank.HEADER.encode(), good, *bad, good]))
    report = import_txns(url, path)
    assert (report.inserted, report.existing, report.read) == (2, 0, 7)
    assert [(r.line, r.column) for r in report.rejected] == [
        (3, "transaction_details"), (4, "txn_date"), (5, ""), (6, ""), (7, "account_no"),
    ]  # fmt: skip
    with rejects_path(path).open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [(int(line["line"]), line["column"], line["reason"]) for line in listed] == [
        (r.line, r.column, r.reason) for r in report.rejected
    ]
    write(path, LINE.format("GOOD", "1.00"))
    import_txns(url, path)
    assert not rejects_path(path).exists(), "a clean import leaves no rejects of an earlier one"


def test_awkward_text_arrives_letter_for_letter(url: str, tmp_path: Path) -> None:
    texts = ['a "b", c', "\\N", "\\.", " outer ", "tab\there", "NULL", "é शांति 🙂", "back\\slash", "a\rb"]
    lines = [LINE.format('"' + text.replace('"', '""') + '"', f"{number}.00") for number, text in enumerate(texts)]
    import_txns(url, write(tmp_path / "txns.csv", *lines))
    assert [text for (text,) in rows(url, "SELECT transaction_details FROM transactions ORDER BY transaction_no")] == texts


def test_a_file_with_a_wrong_header_is_refused_and_named(url: str, tmp_path: Path) -> None:
    path = tmp_path / "txns.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ImportRefused, match=r"txns\.csv: the header lacks account_no"):
        import_txns(url, path)


def test_an_import_killed_in_the_middle_leaves_nothing_and_the_next_one_everything(url: str, tmp_path: Path) -> None:
    path = tmp_path / "txns.csv"
    bank.write_txns(path, rows=11_000)
    program = (
        "import os, pathlib, signal, sys\n"
        "from stori_pipeline.local.samples.bank_import import import_txns\n"
        "import_txns(os.environ['URL'], pathlib.Path(sys.argv[1]), progress=lambda d, t: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], env={**os.environ, "URL": url}, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert rows(url, "SELECT (SELECT count(*) FROM transactions) + (SELECT count(*) FROM imports)") == [(0,)]
    assert import_txns(url, path).inserted == 11_000


def test_a_database_that_is_away_is_an_error_that_says_what_to_do_and_no_password(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="stori up") as caught:
        import_txns("postgresql://app:hushhush@127.0.0.1:1/bank", write(tmp_path / "txns.csv"))
    assert "hushhush" not in str(caught.value)
