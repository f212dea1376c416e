"""Preparing the database behind the local Redshift."""

from __future__ import annotations

from redshift_local.bootstrap import prepare
from tests.sessions import Connect, ask


def test_preparing_again_changes_nothing(superuser_url: str, connect: Connect) -> None:
    prepare(superuser_url)
    prepare(superuser_url)
    assert "Redshift" in str(ask(connect(), "SELECT version()"))
