"""Every spelling of txns.csv that is taken, and every fault that is named with its line, column and reason."""

import io
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.local.samples import bank
from stori_pipeline.local.samples.report import ImportRefused, Refusal, Rejected
from stori_pipeline.local.samples.txns_csv import MAX_LINE, Row, TxnsFile, parse_account, parse_amount, parse_chip, parse_date

GOOD = b'409000611074,29-Jun-17,TRF FROM  X,FALSE,29-Jun-17,," 1,000.00 "," 1,000.00 "'


def read(*lines: bytes, header: bytes = bank.HEADER.encode(), end: bytes = b"\n") -> list[Row | Rejected]:
    return list(TxnsFile(io.BytesIO(end.join([header, *lines]))))


def the_row(line: bytes, **options: bytes) -> Row:
    (row,) = read(line, **options)
    assert isinstance(row, Row), row
    return row


def test_a_line_becomes_a_row() -> None:
    row = the_row(GOOD)
    assert row[:9] == (
        2,
        "409000611074",
        date(2017, 6, 29),
        "TRF FROM  X",
        False,
        date(2017, 6, 29),
        None,
        Decimal("1000.00"),
        Decimal("1000.00"),
    )


@pytest.mark.parametrize(
    "header",
    [
        b"\xef\xbb\xbf" + bank.HEADER.encode(),
        b"account_no,date,transaction_details,chip_used,value_date,withdrawal_amt,deposit_amt,balance_amt",
        b"ACCOUNT.NO,Date,Transaction  Details,Chip.Used,VALUE_DATE,Withdrawal Amt,DEPOSIT_AMT, BALANCE AMT ",
    ],
)
def test_headers_are_matched_whatever_their_case_padding_and_separators(header: bytes) -> None:
    assert the_row(GOOD, header=header) == the_row(GOOD)


def test_columns_may_stand_in_another_order() -> None:
    header = b"BALANCE AMT,Account No,DATE,VALUE DATE,CHIP USED,TRANSACTION DETAILS,DEPOSIT AMT,WITHDRAWAL AMT"
    line = b'" 1,000.00 ",409000611074,29-Jun-17,29-Jun-17,FALSE,TRF FROM  X," 1,000.00 ",'
    assert the_row(line, header=header) == the_row(GOOD)


def test_a_junk_ninth_column_is_ignored_and_named() -> None:
    file = TxnsFile(io.BytesIO(bank.HEADER.encode() + b",.\n" + GOOD + b",.\n" + GOOD + b"\n"))
    assert file.ignored_columns == (".",)
    assert [type(row) for row in file] == [Row, Row]
    assert isinstance(read(GOOD + b",.")[0], Row), "also where only the lines have it"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_ends_of_either_kind_and_empty_lines_are_fine(end: bytes) -> None:
    assert [row.line for row in read(GOOD, b"", GOOD, b"", end=end)] == [2, 4]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "empty"),
        (b"Account No,DATE,TRANSACTION DETAILS,CHQ.NO.,VALUE DATE,WITHDRAWAL AMT,DEPOSIT AMT,BALANCE AMT", "chip_used"),
        (bank.HEADER.encode() + b",DATE", "twice"),
        ("Account No".encode("utf-16"), "not a CSV header"),
        (b"x" * (MAX_LINE * 2), "not a header"),
    ],
)
def test_a_file_with_another_header_is_refused_whole(header: bytes, reason: str) -> None:
    with pytest.raises(ImportRefused, match=reason):
        read(header=header)


BAD: list[tuple[str, bytes, str, str]] = [
    ("nul", GOOD.replace(b"TRF", b"T\0F"), "transaction_details", "NUL"),
    ("not utf-8", GOOD.replace(b"TRF", b"T\xffF"), "transaction_details", "not UTF-8"),
    ("too few fields", GOOD.split(b",,")[0], "", "fields where the header has 8"),
    ("unquoted commas", GOOD.replace(b'"', b""), "", "10 fields where the header has 8; an amount or a text with commas needs quotes"),
    ("open quote", GOOD.replace(b"TRF", b'"TRF'), "", "not CSV"),
    ("open quote to the end", GOOD[:-1], "", "a quote is not closed on the line"),
    ("no such day", GOOD.replace(b"29-Jun-17,T", b"31-Jun-17,T"), "txn_date", "does not exist in the calendar"),
    ("no such month", GOOD.replace(b"FALSE,29-Jun-17", b"FALSE,29-Jux-17"), "value_date", "not a date like 29-Jun-17"),
    ("iso date", GOOD.replace(b"29-Jun-17,T", b"2017-06-29,T"), "txn_date", "not a date like 29-Jun-17"),
    ("blank date", GOOD.replace(b"29-Jun-17,T", b",T"), "txn_date", "not a date like 29-Jun-17"),
    ("account in a spreadsheet's notation", GOOD.replace(b"409000611074", b"4.09E+11"), "account_no", "seven or twelve digits"),
    ("chip", GOOD.replace(b"FALSE", b"maybe"), "chip_used", "none of TRUE, FALSE, 1 and 0"),
    ("blank chip", GOOD.replace(b"FALSE", b""), "chip_used", "none of TRUE, FALSE, 1 and 0"),
    ("no amount", GOOD.replace(b',," 1,000.00 "', b",,"), "withdrawal_amt", "neither a withdrawal nor a deposit"),
    ("both amounts", GOOD.replace(b',," 1,', b',5.00," 1,'), "deposit_amt", "both a withdrawal and a deposit"),
    ("no balance", GOOD.rsplit(b',"', 1)[0] + b",", "balance_amt", "blank"),
    ("a decimal comma", GOOD.replace(b',," 1,000.00 "', b',,"12,50"'), "deposit_amt", "'12,50' has commas that group no thousands"),
    ("commas of no group", GOOD.replace(b',," 1,000.00 "', b',,"1000,00"'), "deposit_amt", "has commas that group no thousands"),
    ("a group of four", GOOD.replace(b',," 1,000.00 "', b',,"1,0000.00"'), "deposit_amt", "has commas that group no thousands"),
    ("a comma after the point", GOOD.replace(b',," 1,000.00 "', b',,"1.000,00"'), "deposit_amt", "has commas that group no thousands"),
    ("words for an amount", GOOD.replace(b',," 1,000.00 "', b",n/a,"), "withdrawal_amt", "not an amount like 1,234.50"),
    ("three decimals", GOOD.replace(b',," 1,000.00 "', b",,0.005"), "deposit_amt", "more than two decimals"),
    ("seventeen digits", GOOD.replace(b',," 1,000.00 "', b",,12345678901234567"), "deposit_amt", "more than sixteen digits"),
    ("a field of 5 MB", GOOD.replace(b"TRF", b"T" * 5_000_000), "", "5,000,0"),
    ("an amount of 100,000 digits", GOOD.replace(b',," 1,000.00 "', b",," + b"9" * 100_000), "deposit_amt", "more than sixteen digits"),
    ("only commas", b",,,,,,,", "account_no", "seven or twelve digits"),
]


@pytest.mark.parametrize(("line", "column", "reason"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_line_is_refused_alone_with_its_line_column_and_reason(line: bytes, column: str, reason: str) -> None:
    before, bad, after = read(GOOD, line, GOOD)
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert isinstance(bad, Rejected)
    assert (bad.line, bad.column) == (3, column)
    assert reason in bad.reason
    assert len(bad.raw) < 3_000
    assert (bad.raw + bad.reason).isprintable()


def test_equal_lines_have_equal_content_and_any_difference_in_meaning_another() -> None:
    assert the_row(GOOD).content == the_row(GOOD.replace(b"409000611074", b"409000611074'").replace(b"FALSE", b"0")).content
    assert the_row(GOOD).content != the_row(GOOD.replace(b"FROM  X", b"FROM X")).content
    other = GOOD.replace(b'FALSE,29-Jun-17,," 1,000.00 "', b'FALSE,29-Jun-17," 1,000.00 ",')
    assert the_row(GOOD).content != the_row(other).content


@pytest.mark.parametrize("text", [b"", b"   "])
def test_blank_details_are_null(text: bytes) -> None:
    assert the_row(GOOD.replace(b"TRF FROM  X", text)).transaction_details is None


def test_details_stay_verbatim() -> None:
    assert the_row(GOOD.replace(b"TRF FROM  X", b'" A ""b"", c\xc3\xa9 "')).transaction_details == ' A "b", cé '


@pytest.mark.parametrize("text", ["409000611074", " 409000611074' ", "'409000611074"])
def test_an_account_may_carry_an_apostrophe(text: str) -> None:
    assert parse_account(text) == "409000611074"


@pytest.mark.parametrize("text", ["5-Jul-17", "05-Jul-17", "5-JUL-17", " 5-jul-17 "])
def test_a_date_may_be_padded_or_not(text: str) -> None:
    assert parse_date(text) == date(2017, 7, 5)


def test_two_digit_years_follow_the_convention_of_c() -> None:
    assert [parse_date(f"1-Jan-{year}").year for year in ("68", "69", "99", "00")] == [2068, 1969, 1999, 2000]


def test_truth_has_six_spellings() -> None:
    assert [parse_chip(text) for text in ("TRUE", "true", "1", "FALSE", "false", "0")] == [True] * 3 + [False] * 3


MONEY = st.integers(-(10**18) + 1, 10**18 - 1)


@given(paise=MONEY, indian=st.booleans(), decimals=st.booleans(), pad=st.tuples(st.text(" \t", max_size=3), st.text(" \t", max_size=3)))
def test_an_amount_is_read_back_whatever_its_grouping_and_padding(paise: int, indian: bool, decimals: bool, pad: tuple[str, str]) -> None:
    text = pad[0] + bank.format_amount(paise, indian=indian, decimals=decimals) + pad[1]
    assert parse_amount(text) == Decimal(paise).scaleb(-2)


@given(st.text(alphabet="0123456789,.-+ eE٣'\"", max_size=40) | st.text(max_size=20))
def test_any_text_is_an_amount_that_fits_its_column_or_is_refused(text: str) -> None:
    try:
        value = parse_amount(text)
    except Refusal:
        return
    if value is None:
        assert not text.strip()
        return
    assert value.as_tuple().exponent == -2
    assert abs(value) < 10**16
    assert value == Decimal(text.strip().replace(",", ""))
    assert str(value) != "-0.00", "two spellings of zero would be two identities"


@given(st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=6))
def test_no_bytes_stop_a_file_and_every_good_line_survives(junk: list[bytes]) -> None:
    rows = read(GOOD, *junk, GOOD)
    good = [row.line for row in rows if isinstance(row, Row)]
    assert good[0] == 2
    assert good[-1] == len(junk) + 3
    assert len(rows) == 2 + sum(bool(line.rstrip(b"\r")) for line in junk)
