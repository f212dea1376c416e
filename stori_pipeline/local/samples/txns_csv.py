"""The format of `txns.csv`: turns a line into a row, or rejects it with a reason.

Belongs here: every spelling in the file, and its meaning. Does not belong here: inserting rows (`bank_import`). A row is one line, because
no field contains a line break: a quote that is not closed affects only its own line. Lines are parsed one by one and have a maximum length,
so a broken file costs neither memory nor valid lines.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from stori_pipeline.local.samples.bank import HEADER, MONTHS
from stori_pipeline.local.samples.report import ImportRefused, Refusal, Rejected, printable

MAX_LINE = 131_072
"""The maximum length of a line in bytes. It is also the longest field that Python's csv module accepts."""

_ACCOUNT = re.compile(r"[0-9]{7}|[0-9]{12}")
_AMOUNT = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?|[+-]?\.[0-9]+")
_GROUPED = re.compile(r"[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]{1,2}(,[0-9]{2})*,[0-9]{3})(\.[0-9]*)?")
_DATE = re.compile(r"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{2})")
_MONTH = {name.lower(): number for number, name in enumerate(MONTHS, start=1)}
_CHIP = {"true": True, "1": True, "false": False, "0": False}
_CENT = Decimal("0.01")
_LIMIT = Decimal(10) ** 16
"""numeric(18,2) has sixteen digits before the decimal point."""


class Row(NamedTuple):
    """A parsed line. `content` is a digest of its values: equal rows have equal digests."""

    line: int
    account_no: str
    txn_date: date
    transaction_details: str | None
    chip_used: bool
    value_date: date
    withdrawal_amt: Decimal | None
    deposit_amt: Decimal | None
    balance_amt: Decimal
    content: str


def column_name(header: str) -> str:
    """A column's name from its header: trimmed, in lower case, with spaces and dots as underscores."""
    return re.sub(r"[\s._]+", "_", header.casefold()).strip("_")


_FIELDS = Row._fields[1:-1]
_COLUMNS = {column_name(header): name for header, name in zip(HEADER.split(","), _FIELDS, strict=True)}


def parse_account(text: str) -> str:
    # Some files contain a spreadsheet's mark for text, an apostrophe before or after the digits.
    digits = text.strip().strip("'")
    if not _ACCOUNT.fullmatch(digits):
        raise Refusal(f"{printable(text)!r} is not an account number of seven or twelve digits")
    return digits


@lru_cache(maxsize=16_384)
def parse_date(text: str) -> date:
    """`29-Jun-17` or `5-Jul-17`, the month in any case. Years 69 to 99 are 1969 to 1999, as in C."""
    match = _DATE.fullmatch(text.strip())
    month = _MONTH.get(match[2].lower()) if match else None
    if match is None or month is None:
        raise Refusal(f"{printable(text)!r} is not a date like 29-Jun-17")
    year = int(match[3])
    try:
        return date(year + (1900 if year >= 69 else 2000), month, int(match[1]))
    except ValueError:
        raise Refusal(f"{printable(text)!r} does not exist in the calendar") from None


def parse_chip(text: str) -> bool:
    value = _CHIP.get(text.strip().lower())
    if value is None:
        raise Refusal(f"{printable(text)!r} is none of TRUE, FALSE, 1 and 0")
    return value


def parse_amount(text: str) -> Decimal | None:
    """An amount with two decimals; None for a blank.

    Files group digits in thousands or, as in India, in hundreds above the thousands. Other commas are refused: `12,50` is a decimal comma
    or a typing error, and not 1250.
    """
    bare = text.strip()
    if not bare:
        return None
    if "," in bare and not _GROUPED.fullmatch(bare):
        raise Refusal(f"{printable(text)!r} has commas that group no thousands; write it like 1,234.50")
    bare = bare.replace(",", "")
    if not _AMOUNT.fullmatch(bare):
        raise Refusal(f"{printable(text)!r} is not an amount like 1,234.50")
    value = Decimal(bare)
    # Checked before `quantize`, which fails for a very long number.
    if abs(value) >= _LIMIT:
        raise Refusal(f"{printable(text)!r} has more than sixteen digits before the point")
    if value != value.quantize(_CENT):
        raise Refusal(f"{printable(text)!r} has more than two decimals; rounding it would change the books")
    # Adding zero turns minus zero into zero: the two are the same amount and must have the same digest.
    return value.quantize(_CENT) + 0


def _parse_fields(number: int, fields: Mapping[str, str]) -> Row:
    column = ""
    try:
        account_no = parse_account(fields[column := "account_no"])
        txn_date = parse_date(fields[column := "txn_date"])
        chip_used = parse_chip(fields[column := "chip_used"])
        value_date = parse_date(fields[column := "value_date"])
        withdrawal = parse_amount(fields[column := "withdrawal_amt"])
        deposit = parse_amount(fields[column := "deposit_amt"])
        balance = parse_amount(fields[column := "balance_amt"])
    except Refusal as refusal:
        raise Refusal(refusal.reason, column) from None
    if balance is None:
        raise Refusal("it is blank", "balance_amt")
    if withdrawal is None and deposit is None:
        raise Refusal("neither a withdrawal nor a deposit", "withdrawal_amt")
    if withdrawal is not None and deposit is not None:
        raise Refusal("both a withdrawal and a deposit", "deposit_amt")
    text = fields["transaction_details"]
    details = text if text.strip() else None  # unchanged otherwise, with all its spaces
    identity = [account_no, str(txn_date), str(value_date), details, _text(withdrawal), _text(deposit), _text(balance)]
    content = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    return Row(number, account_no, txn_date, details, chip_used, value_date, withdrawal, deposit, balance, content)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes, int]]:
    """Each line's number, its first bytes (at most MAX_LINE + 2), and its length in bytes with the line end."""
    number = 0
    while piece := file.readline(MAX_LINE + 2):
        number += 1
        head, length = piece, len(piece)
        while not piece.endswith(b"\n") and (piece := file.readline(MAX_LINE)):
            length += len(piece)
        yield number, head.rstrip(b"\r\n"), length


class TxnsFile:
    """An open `txns.csv`. Iteration yields a Row or a Rejected for each line after the header, except for empty lines.

    Raises:
        ImportRefused: the header is wrong.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._lines = _lines(file)
        _, first, length = next(self._lines, (0, b"", 0))
        if not length or len(first) > MAX_LINE:
            raise ImportRefused("the file is empty" if not length else f"line 1 is {length:,} bytes long and therefore not a header")
        try:
            cells = next(csv.reader([first.decode("utf-8-sig")], strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise ImportRefused(f"line 1 is not a CSV header in UTF-8: {error}") from error
        self._names = [_COLUMNS.get(column_name(cell), "") for cell in cells]
        self.ignored_columns = tuple(cell for cell, name in zip(cells, self._names, strict=True) if not name)
        known = [name for name in self._names if name]
        missing = sorted(set(_FIELDS) - set(known))
        if missing or len(known) != len(set(known)):
            what = f"lacks {', '.join(missing)}" if missing else "names a column twice"
            raise ImportRefused(f"the header {what}; it should be {HEADER}, in any order, case and spacing")
        self._last_known = max(position for position, name in enumerate(self._names) if name)

    def __iter__(self) -> Iterator[Row | Rejected]:
        for number, head, length in self._lines:
            if not head:
                continue
            # Bytes that are not UTF-8 become lone surrogates, so that the error can name the field.
            text = head.decode("utf-8", "surrogateescape")
            if len(head) > MAX_LINE:
                yield Rejected(number, "", f"the line is {length:,} bytes long; a movement has at most {MAX_LINE:,}", printable(text))
                continue
            try:
                yield _parse_fields(number, self._fields(text))
            except Refusal as refusal:
                yield Rejected(number, refusal.column, refusal.reason, printable(text))

    def _fields(self, text: str) -> dict[str, str]:
        # Python 3.10's csv module refuses NUL, and later versions do not. So NUL becomes a surrogate too, and is refused below.
        text = text.replace("\0", "\udc00")
        try:
            cells = next(csv.reader([text], strict=True), [])
        except csv.Error as error:
            reason = "a quote is not closed on the line" if "unexpected end of data" in str(error) else str(error)
            raise Refusal(f"not CSV: {reason}") from None
        if not text.isascii():
            self._refuse_undecodable(cells)
        short = len(cells) <= self._last_known
        if short or any(cell.strip() not in ("", ".") for cell in cells[len(self._names) :]):
            hint = "" if short else "; an amount or a text with commas needs quotes"
            raise Refusal(f"{len(cells)} fields where the header has {len(self._names)}{hint}")
        # Either one may have additional empty cells at its end.
        return {name: cell for name, cell in zip(self._names, cells, strict=False) if name}

    def _refuse_undecodable(self, cells: list[str]) -> None:
        for position, cell in enumerate(cells):
            column = self._names[position] if position < len(self._names) else ""
            if "\udc00" in cell:
                raise Refusal("it contains a NUL, which Postgres does not allow in text", column)
            if any("\udc80" <= character <= "\udcff" for character in cell):
                raise Refusal("it is not UTF-8", column)
