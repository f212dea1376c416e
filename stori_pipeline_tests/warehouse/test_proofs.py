"""The record of proofs: up to when all rows of a mirror were proved equal, and warehouses that have no record yet."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.warehouse.proofs import ALL_KEYS, ProofRecord, keep_proof, last_share_end, verified, verified_of, verified_through
from stori_pipeline_tests.stores import StoredTable

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
LOW, HIGH = ALL_KEYS


def _at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def _record(name: str, low: int, high: int, minutes: int, *, differing: int = 0) -> ProofRecord:
    return ProofRecord(
        target=name,
        how="whole" if (low, high) == ALL_KEYS else "ranges",
        range_low=low,
        range_high=high,
        differing_rows=differing,
        rows_in_flight=0,
        source_rows=3,
        source_checksum=1 << 70,
        mirror_rows=3,
        mirror_checksum=1 << 70,
        batch=(NOON.year, 7),
        position='{"kind": "xmin"}',
        verified_through=None if differing else _at(minutes),
        run_id="run",
        started_at=_at(minutes),
        finished_at=_at(minutes),
    )


def test_a_key_that_was_never_proved_leaves_nothing_verified() -> None:
    assert verified_through([]) is None
    assert verified_through([(LOW, 5, NOON), (6, HIGH, NOON)]) is None


def test_the_share_that_was_proved_longest_ago_says_up_to_when_all_rows_are() -> None:
    shares = [(5, HIGH, _at(40)), (LOW, 5, _at(20)), (LOW, HIGH, _at(0))]
    assert verified_through(shares) == _at(20)
    assert verified_through(shares[:1] + shares[2:]) == _at(0)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 6), st.integers(0, 9)), max_size=8))
def test_verified_through_is_the_oldest_of_the_newest_proofs_of_all_keys(ranges: list[tuple[int, int, int]]) -> None:
    proofs = [(low if low > -5 else LOW, low + size if low + size < 5 else HIGH, _at(minutes)) for low, size, minutes in ranges]
    newest = [next((through for low, high, through in proofs if low <= key < high), None) for key in (LOW, *range(-5, 6))]
    known = [each for each in newest if each is not None]
    assert verified_through(proofs) == (min(known) if len(known) == len(newest) else None)


def test_proofs_are_kept_in_a_warehouse_that_had_no_record_of_them(items: StoredTable) -> None:
    name, warehouse = items.table.full_name, items.stores.warehouse
    items.stores.execute("CREATE SCHEMA IF NOT EXISTS pipeline", "DROP TABLE IF EXISTS pipeline.proofs")
    assert (verified(warehouse), verified_of(warehouse, name), last_share_end(warehouse, name)) == ({}, None, None)
    keep_proof(warehouse, _record(name, *ALL_KEYS, 0))
    assert verified(warehouse)[name] == verified_of(warehouse, name) == NOON
    keep_proof(warehouse, _record(name, LOW, 1000, 20))
    keep_proof(warehouse, _record(name, 1000, 2000, 40, differing=2))
    assert last_share_end(warehouse, name) == 2000
    assert verified_of(warehouse, name) == NOON  # the rows that differ were equal then
    keep_proof(warehouse, _record(name, 1000, HIGH, 60))
    assert verified_of(warehouse, name) == _at(20)
