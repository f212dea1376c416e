"""The command `stori verify` and the check `source_equals_mirror` give the same proof."""

from __future__ import annotations

import pytest
from dagster import AssetCheckKey, DagsterInstance, RunRequest

from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.keys import mirror_key
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline.runtime.names import PROOF
from stori_pipeline_tests.commands import Ended
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.lake.gateway import gateway
from stori_pipeline_tests.platforms import BANK, EXCHANGE, NAMES, Platform


@pytest.fixture
def moving(platform: Platform) -> Platform:
    """Two mirrors, of Postgres and of MongoDB, whose sources have rows that are landed and not loaded, and rows that are not landed."""
    platform.move(60)
    platform.trade(1, 20)
    for table in (BANK, EXCHANGE):
        platform.sync(table)
    platform.change()
    platform.trade(21, 2)
    for table in (BANK, EXCHANGE):
        platform.land(table)
    platform.move(3, "LATEST")
    platform.write("UPDATE transactions SET chip_used = NOT chip_used WHERE transaction_no = 7")
    platform.trade(23)
    platform.trades.update_one({"id": f"{5:024x}"}, {"$set": {"shares": 901}})
    return platform


def verify_command(platform: Platform, code: int, **elsewhere: int) -> dict[str, list[str]]:
    """The keys of the rows that differ, by table."""
    ended: Ended = platform.stori("verify", "--json", *NAMES, **elsewhere).expect(code)
    return {each["table"]: each["differing"] for each in ended.json}


def failed_proofs(instance: DagsterInstance) -> dict[str, int]:
    """How many rows differ, by table whose check fails."""
    keys = [AssetCheckKey(mirror_key(table), PROOF) for table in PLAIN.tables]
    result = execute_request(build_defs(PLAIN), "sync", RunRequest(asset_selection=[], asset_check_keys=keys), instance=instance)
    assert result.success, [event.message for event in result.all_events if event.is_failure]
    proofs = result.get_asset_check_evaluations()
    assert len(proofs) == len(keys)
    return {".".join(each.asset_key.path[-2:]): int(each.metadata["differing_rows"].value) for each in proofs if not each.passed}  # type: ignore[arg-type]


def test_rows_in_flight_count_neither_for_the_command_nor_for_the_check(moving: Platform, instance: DagsterInstance) -> None:
    assert not moving.verify(BANK).equal
    assert not moving.verify(EXCHANGE).equal
    assert verify_command(moving, 0) == {name: [] for name in NAMES}
    assert failed_proofs(instance) == {}

    moving.execute("UPDATE bank.transactions SET balance_amt = balance_amt + 1 WHERE transaction_no = 20")
    moving.execute(f"DELETE FROM exchange.trades WHERE id = '{9:024x}'")
    assert verify_command(moving, 1) == {BANK.full_name: ["20"], EXCHANGE.full_name: [f"{9:024x}"]}
    assert failed_proofs(instance) == {BANK.full_name: 1, EXCHANGE.full_name: 1}


def test_both_prove_with_a_role_that_may_only_read_the_lake(
    moving: Platform, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Postgres and a Mongo table; a queue's, whose proof reads all live rows of the lake, is in `test_read_only`."""
    with gateway(moving.s3) as gate:
        gate.fate = lambda method, _path: "pass" if method in ("GET", "HEAD") else "deny"
        port = int(gate.url.rpartition(":")[2])
        denied = moving.stori("sync", BANK.full_name, s3=port).expect(1)
        assert "AccessDenied" in denied.err
        assert {method for method, _ in gate.requests} - {"GET", "HEAD"}

        gate.requests.clear()
        assert verify_command(moving, 0, s3=port) == {name: [] for name in NAMES}
        asked_by_command = list(gate.requests)
        gate.requests.clear()
        monkeypatch.setenv("AWS_ENDPOINT_URL", gate.url)
        assert failed_proofs(instance) == {}
        asked_by_check = list(gate.requests)
    for asked in (asked_by_command, asked_by_check):
        assert {method for method, _ in asked} <= {"GET", "HEAD"}
        assert all(any(table.prefix in path for _, path in asked) for table in (BANK, EXCHANGE))
