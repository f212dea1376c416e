"""`stori quarantine`: what it shows, what it refuses, and a row's way from the table to an edited file and back, killed in the midst."""

from __future__ import annotations

import json

from stori_pipeline.lake.quarantine import rows_in_quarantine
from stori_pipeline_tests.gate import Gate, Hold
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform

NAME = BANK.full_name
LONG = "x" * 1_100


def _begun(platform: Platform, bad: int) -> None:
    platform.move(5)
    platform.sync(BANK)
    platform.write("ALTER TABLE transactions ALTER transaction_details TYPE text")
    platform.move(bad, LONG)


def test_a_row_is_exported_edited_and_replayed_once_although_the_replay_is_killed(platform: Platform) -> None:
    _begun(platform, 1)
    told = platform.stori("sync", NAME).expect(0)
    assert f"{NAME}: rows that went to quarantine: 1; `stori quarantine show {NAME}` shows why" in told.err
    (group,) = platform.stori("quarantine", "list", "--json").expect(0).json
    assert (group["table"], group["code"], group["column"], group["rows"]) == (NAME, "too_long", "transaction_details", 1)
    (shown,) = platform.stori("quarantine", "show", NAME, "--code", "too_long", "--json").expect(0).json
    assert (shown["row"], shown["raw"]["transaction_details"]) == ("2:1", LONG)
    assert "2:1 too_long transaction_details" in platform.stori("quarantine", "show", NAME).expect(0).out

    file = platform.folder / "edited.jsonl"
    platform.stori("quarantine", "export", NAME, "-o", str(file)).expect(0)
    file.write_text(file.read_text().replace(LONG, "mended"))
    # Killed after the commit of the batch that says that the row was replayed, and before its load.
    hold = Hold(f"PUT /{platform.bucket}/{BANK.prefix}/_manifests/".encode(), "after")
    with (
        Gate(platform.address("s3"), hold) as gate,
        platform.start("quarantine", "replay", "--from", str(file), s3=gate.port) as running,
    ):
        running.kill_at(gate.reached)
    assert [each.batch for each in platform.lake.manifests(BANK)] == [1, 2, 3]
    (again,) = platform.stori("quarantine", "replay", "--from", str(file), "--json").expect(0).json
    assert (again["batches"], again["rows"]) == ([], [])
    assert platform.query("SELECT COUNT(*), SUM(CASE WHEN transaction_details = 'mended' THEN 1 ELSE 0 END) FROM bank.transactions") == [
        (6, 1)
    ]
    assert [each.batch for each in platform.lake.manifests(BANK)] == [1, 2, 3]
    assert platform.stori("quarantine", "list", NAME).expect(0).out == ""


def test_a_blocked_load_says_which_command_opens_it_and_that_command_does(platform: Platform) -> None:
    _begun(platform, 3)
    blocked = platform.stori("sync", NAME).expect(1)
    assert "3 of the 3 rows of batch 2 break the table's definition" in blocked.err
    assert f"stori quarantine accept {NAME} --batch 2" in blocked.err
    platform.move(1)
    platform.stori("sync", NAME).expect(1)
    (listed,) = platform.stori("quarantine", "list", NAME, "--json").expect(0).json
    assert (listed["rows"], listed["blocked"]) == (3, [2])

    refused = platform.stori("quarantine", "accept", NAME, "--batch", "1").expect(1)
    assert "batch 1 has no rejected rows" in refused.err
    (accepted,) = platform.stori("quarantine", "accept", NAME, "--batch", "2", "--json").expect(0).json
    assert (accepted["accepted"], accepted["batches"]) == ([2], [4])
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(6,)]
    assert "nothing to decide" in platform.stori("quarantine", "accept", NAME).expect(0).out
    platform.stori("sync", NAME).expect(0)

    asked = platform.stori("quarantine", "discard", NAME, "--row", "2:1").expect(2)
    assert "1 too_long would be discarded, and there is no terminal to ask; say --yes" in asked.err
    assert "say which rows" in platform.stori("quarantine", "discard", NAME, "--yes").expect(2).err
    platform.stori("quarantine", "discard", NAME, "--row", "2:1", "--yes").expect(0)
    assert rows_in_quarantine(platform.lake, BANK) == 2
    again = json.loads(platform.stori("quarantine", "discard", NAME, "--row", "2:1", "--yes", "--json").expect(0).out)
    assert again == [{"table": NAME, "batches": [], "accepted": [], "rows": []}]


def test_verify_says_why_a_table_was_never_loaded_and_proves_the_others(platform: Platform) -> None:
    """One table whose first batch was blocked kept every other one from being proved."""
    platform.write("ALTER TABLE transactions ALTER transaction_details TYPE text")
    platform.move(3, LONG)
    platform.trade(0, 2)
    platform.sync(EXCHANGE)
    platform.stori("sync", NAME).expect(1)
    ended = platform.stori("verify", NAME, EXCHANGE.full_name, "--json").expect(1)
    assert [(each["table"], each["equal"]) for each in ended.json] == [(EXCHANGE.full_name, True)]
    assert f"{NAME} is not loaded yet. {NAME}: 3 of the 3 rows of batch 1 break the table's definition" in ended.err


def test_a_file_that_is_no_export_is_refused_by_its_line(platform: Platform) -> None:
    file = platform.folder / "edited.jsonl"
    row = json.dumps({"table": NAME, "generation": 1, "row": "1:1", "raw": {}})
    for text, message in (
        ("{", "edited.jsonl, line 1: it is no JSON"),
        ("\n{}", "edited.jsonl, line 2: it is no row of an export (KeyError: 'table')"),
        (f"{row}\n{row}\n", "row 1:1 of bank.transactions is in the file twice"),
    ):
        file.write_text(text)
        assert message in platform.stori("quarantine", "replay", "--from", str(file)).expect(1).err
    assert "name a table, or a file" in platform.stori("quarantine", "replay").expect(2).err
    assert "there is no code 'long'" in platform.stori("quarantine", "show", NAME, "--code", "long").expect(2).err
