"""Values that do not fit, and values that look as if they did not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from stori_pipeline.lake import Manifest
from stori_pipeline.model.table import Table
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform, trade

FIVE_MB = 5 * 1024 * 1024
TOLERANT = replace(BANK, max_rejected=0.5)
"""The bank's table, whose few rows may be rejected in good part without being blocked."""


def _quarantine(platform: Platform, manifest: Manifest | None) -> list[dict[str, Any]]:
    """The rejected rows of a batch; `raw` as the value that its JSON says."""
    return [row | {"raw": json.loads(row["raw"])} for row in platform.quarantine(manifest)]


def _differing(platform: Platform, table: Table) -> dict[tuple[str, ...], str]:
    return {each.key: each.verdict for each in platform.verify(table).differing}


def test_a_row_that_breaks_the_contract_goes_to_quarantine_and_the_rest_arrives(platform: Platform) -> None:
    platform.write("ALTER TABLE transactions ALTER balance_amt DROP NOT NULL, ALTER balance_amt TYPE numeric")
    platform.move(30)
    platform.write("UPDATE transactions SET balance_amt = NULL WHERE transaction_no = 4")
    platform.write("UPDATE transactions SET balance_amt = 12345678901234567890 WHERE transaction_no = 6")

    manifest, loaded = platform.sync(TOLERANT)

    found = _quarantine(platform, manifest)
    assert [(row["code"], row["column"], row["raw"]["transaction_no"]) for row in found] == [
        ("missing", "balance_amt", "4"),
        ("range", "balance_amt", "6"),
    ]
    assert all(row["reason"].startswith("balance_amt: ") for row in found)
    assert loaded is not None
    assert loaded.rows_inserted == 28
    assert _differing(platform, TOLERANT) == {("4",): "not in the warehouse", ("6",): "not in the warehouse"}

    # A row that was in the mirror and breaks the contract now keeps its old version there, and is named.
    platform.write("UPDATE transactions SET balance_amt = NULL WHERE transaction_no = 8")
    platform.sync(TOLERANT)
    assert _differing(platform, TOLERANT)[("8",)] == "different"

    # Mended in the source, they arrive like any change.
    platform.write("UPDATE transactions SET balance_amt = 1 WHERE transaction_no IN (4, 6, 8)")
    platform.sync(TOLERANT)
    platform.assert_equal(TOLERANT)


def test_too_many_rejected_rows_block_the_load_until_they_are_corrected(platform: Platform) -> None:
    platform.write("ALTER TABLE transactions ALTER chip_used DROP NOT NULL")
    platform.move(100)
    platform.sync(BANK)
    platform.move(30)
    platform.write("UPDATE transactions SET chip_used = NULL WHERE transaction_no > 105")

    for _ in range(2):  # blocked once is blocked until something is done about it
        ended = platform.stori("sync", "--json", BANK.full_name).expect(1)
        assert "25 of the 30 rows of batch 2 break the table's definition" in ended.err, str(ended)
        assert "Traceback" not in ended.output, str(ended)
        assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(100,)]

    platform.write("UPDATE transactions SET chip_used = true WHERE chip_used IS NULL")
    platform.stori("sync", "--full", "--json", BANK.full_name).expect(0)
    platform.assert_equal(BANK)


def test_five_megabytes_of_text_are_rejected_and_rows_around_them_arrive(platform: Platform) -> None:
    platform.move(3)
    platform.move(1, "x", repeat=FIVE_MB)
    platform.move(1, "ü", repeat=512)  # 1024 bytes: the last that fits
    platform.move(1, "ü", repeat=513)
    platform.move(3)

    manifest, _ = platform.sync(TOLERANT)

    found = _quarantine(platform, manifest)
    assert [(row["code"], row["column"]) for row in found] == [("too_long", "transaction_details")] * 2
    assert len(found[0]["raw"]["transaction_details"]) == FIVE_MB
    assert set(_differing(platform, TOLERANT)) == {("4",), ("6",)}
    assert platform.query("SELECT transaction_details FROM bank.transactions WHERE transaction_no = 5") == [("ü" * 512,)]


def test_five_megabytes_in_an_array_arrive_exactly(platform: Platform) -> None:
    asks = ["é" + "x" * 1000 for _ in range(FIVE_MB // 1000)]
    documents = [trade(number) for number in range(3)]
    documents[1]["details"]["asks"] = asks
    platform.trades.insert_many(documents)

    platform.sync(EXCHANGE)

    platform.assert_equal(EXCHANGE)
    ((text,),) = platform.query(f"SELECT JSON_SERIALIZE(asks) FROM exchange.trades WHERE id = '{1:024x}'")
    assert json.loads(text) == asks


TEXTS = [
    "",
    " ",
    "  padded  ",
    "NULL",
    "\\N",
    "\\.",
    "\\",
    "\\\\",
    "\\x41",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "a\x0bb\x0cc\x1fd\x7f",
    "'", '"', "''; DROP TABLE transactions; --", '{"a": [1, null]}', "{}", "%s %(a)s $1 :x ?",
    "e\u0301 is not \u00e9",
    "\u202eright to left\u202c שלום مرحبا",
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "\ufeffbom",
    "\u2028\u2029\u0085\u00a0",
    "\U0010ffff\uffff",
    "𐍈" * 256,  # 1024 bytes of four each: the last that fits
]  # fmt: skip


def test_texts_that_look_like_syntax_arrive_unchanged(platform: Platform) -> None:
    for text in TEXTS:
        platform.move(1, text)
    platform.move(1)
    platform.write("UPDATE transactions SET transaction_details = NULL WHERE transaction_no = %s", len(TEXTS) + 1)

    manifest, _ = platform.sync(BANK)

    assert manifest is not None
    assert manifest.rejected == 0
    platform.assert_equal(BANK)
    rows = platform.query("SELECT transaction_details FROM bank.transactions ORDER BY transaction_no")
    assert [text for (text,) in rows] == [*TEXTS, None]


def test_a_four_byte_letter_across_the_limit_is_rejected(platform: Platform) -> None:
    platform.move(1, "xxx" + "𐍈" * 255)
    platform.move(1, "xx" + "𐍈" * 256)
    manifest, _ = platform.sync(BANK)
    assert [row["code"] for row in _quarantine(platform, manifest)] == ["too_long"]
    assert set(_differing(platform, BANK)) == {("2",)}


def test_texts_in_documents_arrive_unchanged_and_nul_is_rejected(platform: Platform) -> None:
    short = [text for text in TEXTS if len(text.encode()) <= 16]
    platform.trades.insert_many([trade(number) | {"ticker": text} for number, text in enumerate(short)])
    nested = trade(100)
    nested["details"]["asks"] = [*TEXTS, {"a\tb": "\\N"}]
    platform.trades.insert_one(nested)
    platform.trade(101, ticker="a\0b")

    manifest, _ = platform.sync(EXCHANGE)

    found = _quarantine(platform, manifest)
    assert [(row["code"], row["column"]) for row in found] == [("nul", "ticker")]
    assert _differing(platform, EXCHANGE) == {(f"{101:024x}",): "not in the warehouse"}
    rows = platform.query(f"SELECT ticker FROM exchange.trades WHERE id < '{100:024x}' ORDER BY id")
    assert [text for (text,) in rows] == short
    ((text,),) = platform.query(f"SELECT JSON_SERIALIZE(asks) FROM exchange.trades WHERE id = '{100:024x}'")
    assert json.loads(text) == [*TEXTS, {"a\tb": "\\N"}]


def test_postgres_itself_refuses_nul(platform: Platform) -> None:
    """Which is why no NUL need be looked for in what it sends."""
    with pytest.raises((ValueError, psycopg2.Error)):
        platform.move(1, "a\0b")
