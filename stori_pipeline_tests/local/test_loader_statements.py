"""The local Redshift understands every statement of the loader, as its golden files have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from redshift_local.sql.copy_options import Copy
from redshift_local.sql.statements import parse

GOLDEN = sorted(Path(__file__).parents[1].glob("warehouse/golden/*.sql"))


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
def test_every_statement_of_the_loader_is_understood(golden: Path) -> None:
    """The loader's golden files hold psycopg2's placeholders, which its driver fills in before the text is sent."""
    statements = parse(golden.read_text("utf-8").replace("%s", "'value'"))
    assert len(statements) > 5
    assert any(isinstance(statement, Copy) for statement in statements)


def test_the_loader_has_golden_files() -> None:
    assert GOLDEN
