"""The generator of txns.csv: the same bytes everywhere, and the facts of the original format."""

import csv
import hashlib
import io
import re
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pytest

from stori_pipeline.local.samples import bank
from stori_pipeline.local.samples.txns_csv import Row, TxnsFile


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank") / "txns.csv"
    bank.write_txns(path, rows=20_000)
    return path


@pytest.fixture(scope="module")
def cells(written: Path) -> list[list[str]]:
    with written.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))[1:]


def test_a_seed_gives_the_same_bytes_on_every_machine_and_python(tmp_path: Path) -> None:
    bank.write_txns(tmp_path / "txns.csv", rows=500)
    assert hashlib.sha256((tmp_path / "txns.csv").read_bytes()).hexdigest() == GOLDEN
    bank.write_txns(tmp_path / "other.csv", rows=500, seed=99)
    assert (tmp_path / "other.csv").read_bytes() != (tmp_path / "txns.csv").read_bytes()


GOLDEN = "1d4fc647a6bc869cf8d4b9bcf0c5b0091eb03e827b6ee69c834f66a2e546c8e4"


def test_the_default_size_is_that_of_the_original() -> None:
    counts = Counter(movement.account_no for movement in bank.movements(bank.ROWS, seed=1))
    assert counts.total() == 116_201
    assert len(counts) == 10
    assert sorted(len(account_no) for account_no in counts) == [7, 7, *[12] * 8]
    assert max(counts.values()) > 100 * min(counts.values())


def test_the_header_keeps_its_padding(written: Path) -> None:
    header = written.read_bytes().split(b"\n", 1)[0]
    assert header == b"Account No,DATE,TRANSACTION DETAILS,CHIP USED,VALUE DATE, WITHDRAWAL AMT , DEPOSIT AMT ,BALANCE AMT"


def test_balances_add_up_per_account_in_file_order(written: Path) -> None:
    balances: dict[str, int] = defaultdict(int)
    with written.open("rb") as file:
        for row in TxnsFile(file):
            assert isinstance(row, Row)
            change = (row.deposit_amt or 0) - (row.withdrawal_amt or 0)
            balances[row.account_no] += int(change * 100)
            assert int(row.balance_amt * 100) == balances[row.account_no], row
    assert min(balances.values()) < 0 < max(balances.values())


def test_days_ascend_within_an_account() -> None:
    last: dict[str, date] = {}
    for movement in bank.movements(5_000, seed=1):
        assert movement.txn_date >= last.get(movement.account_no, date.min)
        last[movement.account_no] = movement.txn_date


def test_each_row_has_exactly_one_amount_in_the_originals_proportion(cells: list[list[str]]) -> None:
    assert all(bool(row[5].strip()) != bool(row[6].strip()) for row in cells)
    withdrawals = sum(bool(row[5].strip()) for row in cells) / len(cells)
    assert 0.45 < withdrawals < 0.47


def test_every_spelling_of_the_original_occurs(cells: list[list[str]]) -> None:
    amounts = [cell for row in cells for cell in row[5:8] if cell]
    assert all(cell.startswith(" ") and cell.endswith(" ") for cell in amounts)
    assert any(re.fullmatch(r" \d{1,2},\d\d,\d\d\d\.\d\d ", cell) for cell in amounts), "Indian grouping"
    assert any(re.fullmatch(r" \d,\d\d\d,\d\d\d\.\d\d ", cell) for cell in amounts), "grouping by three"
    assert any(re.fullmatch(r" \d+ ", cell) for cell in amounts), "no decimals"
    assert {row[3] for row in cells} == {"TRUE", "true", "1", "FALSE", "false", "0"}
    assert {len(row[1].split("-")[0]) for row in cells if re.match("0?5-", row[1])} == {1, 2}
    assert any(row[0].endswith("'") for row in cells)
    blank = sum(not row[2] for row in cells) / len(cells)
    assert 0.015 < blank < 0.025
    texts = [row[2] for row in cells]
    for mark in ("  ", ",", '"', "é"):
        assert any(mark in text for text in texts), mark


def test_some_rows_are_equal_in_every_column() -> None:
    equal = Counter(bank.movements(20_000, seed=1))
    assert max(equal.values()) > 1


@pytest.mark.parametrize(
    ("paise", "by_three", "indian"),
    [
        (0, "0.00", "0.00"),
        (99_999_00, "99,999.00", "99,999.00"),
        (100_000_00, "100,000.00", "1,00,000.00"),
        (1_000_000_50, "1,000,000.50", "10,00,000.50"),
        (-12_345_678_05, "-12,345,678.05", "-1,23,45,678.05"),
    ],
)
def test_amounts_are_grouped_by_three_or_by_indian_custom(paise: int, by_three: str, indian: str) -> None:
    assert bank.format_amount(paise, indian=False, decimals=True) == by_three
    assert bank.format_amount(paise, indian=True, decimals=True) == indian


def test_an_interrupted_writing_leaves_no_file(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bank.write_txns(tmp_path / "txns.csv", rows=6_000, progress=interrupt)
    assert not (tmp_path / "txns.csv").exists()


def test_what_is_read_back_is_what_was_generated(written: Path) -> None:
    with io.BytesIO(written.read_bytes()) as file:
        rows = list(TxnsFile(file))
    generated = list(bank.movements(20_000, seed=1))
    assert len(rows) == len(generated)
    for row, movement in zip(rows, generated, strict=True):
        assert isinstance(row, Row)
        assert (row.account_no, row.txn_date, row.transaction_details, row.chip_used, row.value_date) == movement[:5]
