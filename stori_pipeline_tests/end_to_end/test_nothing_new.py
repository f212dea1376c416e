"""`stori sync` ends without a run if nothing is new, and only then: whatever is new or missing, the next sync brings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stori_pipeline.cli import apart
from stori_pipeline.lake.manifest import manifest_key
from stori_pipeline_tests.platforms import ADDRESSES, BANK, EXCHANGE, NAMES, Platform

QUIET = "nothing is new since the last sync of these tables"
REPORT = "reports.trades_by_ticker_and_day"


def _is_quiet(platform: Platform, *words: str) -> bool:
    """Whether a sync ends without a run. Both kinds of sync say the same of every table."""
    ended = platform.stori("sync", "-v", "--json", *words, *NAMES).expect(0)
    assert [each["table"] for each in ended.json] == list(NAMES)
    return QUIET in ended.err


@pytest.fixture
def synced(platform: Platform) -> Iterator[Platform]:
    """A platform with rows in both sources, of which nothing is new."""
    platform.move(20)
    platform.trade(0, 10)
    assert not _is_quiet(platform)
    yield platform
    for table in (BANK, EXCHANGE):
        platform.assert_equal(table, loaded_again=True)


def _lose_newest(platform: Platform) -> None:
    newest = platform.lake.newest(BANK)
    assert newest is not None
    platform.lake.bucket.delete([manifest_key(BANK, newest.batch)])


def _land(platform: Platform) -> None:
    platform.move(3)
    assert platform.land(BANK)


def _drop_pictures(platform: Platform) -> None:
    bucket = platform.processed.bucket
    assert bucket.delete(each.key for each in bucket.objects("charts/"))


_MOVED: dict[str, Callable[[Platform], object]] = {
    "a row is inserted": lambda platform: platform.move(1),
    "rows are updated": lambda platform: platform.write("UPDATE transactions SET chip_used = NOT chip_used"),
    "a document is inserted": lambda platform: platform.trade(10),
    "a document is deleted": lambda platform: platform.trades.delete_one({"id": f"{3:024x}"}),
    "another process landed, and did not load": _land,
    "the lake lost its newest batch": _lose_newest,
    "the ledger lost an entry": lambda platform: platform.execute("DELETE FROM pipeline.loads WHERE target = 'bank.transactions'"),
    "a mirror was dropped": lambda platform: platform.execute("DROP TABLE bank.transactions CASCADE"),
    "a report was dropped": lambda platform: platform.execute(f"DROP VIEW IF EXISTS {REPORT} CASCADE", f"DROP TABLE IF EXISTS {REPORT}"),
    "the pictures were deleted": _drop_pictures,
}


@pytest.mark.parametrize("moved", [list(_MOVED)[at : at + 2] for at in range(0, len(_MOVED), 2)], ids=" and ".join)
def test_whatever_is_new_or_missing_the_next_sync_brings_it(synced: Platform, moved: list[str]) -> None:
    assert _is_quiet(synced)
    for what in moved:
        _MOVED[what](synced)
        assert not _is_quiet(synced), what
        assert _is_quiet(synced), what
    assert synced.query(f"SELECT COUNT(*) FROM {REPORT}") != [(0,)]
    assert list(synced.processed.bucket.objects("charts/"))


def test_a_sync_that_is_asked_for_more_or_has_no_mark_runs(synced: Platform) -> None:
    assert not _is_quiet(synced, "--detect-deletes")
    assert _is_quiet(synced)
    (kept,) = Path(synced.folder / ".stori" / "quiet").glob("*.json")
    body = kept.read_text()
    long_ago = re.sub(r'"began": [\d.]+', '"began": 1.0', body)
    for broken in (body[:-10], body.replace('"version": 1', '"version": 0'), long_ago):
        kept.write_text(broken)
        assert not _is_quiet(synced)
    assert _is_quiet(synced)
    passwords = {urlsplit(synced.environ[name]).password or "" for name in ADDRESSES.values()} - {""}
    assert passwords
    assert not any(password in body for password in passwords)


def test_after_a_failed_sync_the_next_one_runs(synced: Platform) -> None:
    assert _is_quiet(synced)
    synced.move(2)
    failed = synced.stori("sync", "-v", *NAMES, warehouse=1)
    assert failed.code == 1
    assert not _is_quiet(synced)
    assert _is_quiet(synced)


def test_a_question_that_fails_apart_is_no_answer() -> None:
    def fails() -> str:
        raise ValueError

    assert apart.answers({"here": {"a": lambda: ""}, "there": {"b": lambda: "b", "c": lambda: ""}}) == ["b"]
    with pytest.raises((apart.Unanswered, ValueError)):
        apart.answers({"there": {"b": fails}})
