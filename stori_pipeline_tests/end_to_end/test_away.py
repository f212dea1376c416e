"""An unavailable server: one clear line without a secret, the other tables go on, and the next sync catches up."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from stori_pipeline_tests.commands import Ended
from stori_pipeline_tests.databases import closed_port
from stori_pipeline_tests.platforms import ADDRESSES, BANK, EXCHANGE, NAMES, Platform

GIVES_UP = 60.0
"""Seconds within which a command says that a server is away: a person waits for it."""


def _fails_plainly(platform: Platform, server: str, *arguments: str) -> Ended:
    """The command ends with 1, without a traceback, and without a password in its output."""
    with platform.start(*arguments, **{server: closed_port()}) as running:
        ended = running.end(GIVES_UP).expect(1)
    assert "Traceback" not in ended.output, str(ended)
    for name in ADDRESSES.values():
        if password := urlsplit(platform.environ[name]).password:
            assert password not in ended.output, str(ended)
    assert platform.environ["AWS_SECRET_ACCESS_KEY"] not in ended.output, str(ended)
    return ended


def _line(ended: Ended, table: str) -> str:
    """The one line with the error of a table, in the JSON that ends stderr."""
    lines = [line for line in json.loads(ended.err.splitlines()[-1])["message"].splitlines() if line.startswith(table)]
    assert len(lines) == 1, str(ended)
    return str(lines[0])


def _both(platform: Platform) -> None:
    platform.move(20)
    platform.trade(0, 20)


def _next_sync_makes_it_good(platform: Platform) -> None:
    platform.stori("sync", "--json", *NAMES).expect(0)
    for table in (BANK, EXCHANGE):
        platform.assert_equal(table)


@pytest.mark.parametrize(("server", "away", "other"), [("source", BANK, EXCHANGE), ("exchange", EXCHANGE, BANK)])
def test_an_unavailable_source_fails_its_own_table_only(platform: Platform, server: str, away: object, other: object) -> None:
    _both(platform)
    broken, whole = (BANK, EXCHANGE) if away is BANK else (EXCHANGE, BANK)

    ended = _fails_plainly(platform, server, "sync", "--json", *NAMES)

    assert "cannot be reached" in _line(ended, broken.full_name), str(ended)
    results = {each["table"]: each for each in ended.json}
    assert (results[broken.full_name]["batch"], results[whole.full_name]["rows_loaded"]) == (None, 20), str(ended)
    platform.assert_equal(whole)
    _next_sync_makes_it_good(platform)


def test_an_unavailable_s3_stops_every_table_and_loses_nothing(platform: Platform) -> None:
    _both(platform)
    ended = _fails_plainly(platform, "s3", "sync", "--json", *NAMES)
    for table in (BANK, EXCHANGE):
        assert "S3 does not answer" in _line(ended, table.full_name), str(ended)
    assert platform.objects(BANK) == []
    _next_sync_makes_it_good(platform)


def test_tables_land_while_the_warehouse_is_unavailable(platform: Platform) -> None:
    _both(platform)
    ended = _fails_plainly(platform, "warehouse", "sync", "--json", *NAMES)
    for table in (BANK, EXCHANGE):
        assert "warehouse" in _line(ended, table.full_name), str(ended)
        assert "cannot be reached" in _line(ended, table.full_name), str(ended)
        newest = platform.lake.newest(table)
        assert newest is not None
        assert newest.rows == 20
    _next_sync_makes_it_good(platform)
    assert [each.batch for each in platform.lake.manifests(BANK)] == [1]


@pytest.mark.parametrize("server", ["source", "warehouse"])
def test_verify_names_the_unavailable_server(platform: Platform, server: str) -> None:
    platform.move(3)
    platform.sync(BANK)
    ended = _fails_plainly(platform, server, "verify", BANK.full_name)
    assert "cannot be reached" in ended.err
    assert len(ended.err.strip().splitlines()) == 1, str(ended)
