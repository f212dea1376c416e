"""When the continuous sync in a terminal makes room for an ordinary run."""

from __future__ import annotations

from stori_pipeline.cli.continuous import _sources_of, _Terminal
from stori_pipeline.pipeline.continuous import Left
from stori_pipeline.project import PROJECT


def left(name: str, reason: str = "nothing has landed yet", head: str = "") -> Left:
    return Left(PROJECT.project.mirrors[name], reason, head)


def test_tables_that_are_left_wait_until_no_other_joins_them() -> None:
    terminal = _Terminal(print)

    assert terminal.ends([]) == ""
    assert terminal.ends([left("bank.transactions")]) == ""
    assert terminal.ends([left("bank.transactions"), left("exchange.trades")]) == ""
    assert terminal.ends([left("bank.transactions"), left("exchange.trades")]) == "tables wait for a run of their own"
    assert [each.table.full_name for each in terminal.left] == ["bank.transactions", "exchange.trades"]


def test_a_table_that_a_run_could_not_help_gets_another_for_another_reason_only() -> None:
    """Otherwise a table that is gone would have a run every few seconds."""
    terminal = _Terminal(print)
    terminal._tried = {"bank.transactions": next(iter(_signs(left("bank.transactions")).values()))}

    for _ in range(3):
        assert terminal.ends([left("bank.transactions")]) == ""
    terminal.ends([left("bank.transactions", "its position is lost")])
    assert terminal.ends([left("bank.transactions", "its position is lost")]) != ""


def test_of_a_star_table_the_source_tables_are_synced() -> None:
    project = PROJECT.project
    fact = next(star for star in project.stars if len(star.inputs) > 1)

    found = {table.full_name for table in _sources_of(fact.table, project)}
    assert found
    assert all(not table.is_derived for table in _sources_of(fact.table, project))
    assert found <= {table.full_name for table in project.tables}


def _signs(each: Left) -> dict[str, str]:
    from stori_pipeline.defs.follower import signs

    return signs([each])
