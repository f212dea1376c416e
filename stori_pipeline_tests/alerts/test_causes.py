"""Which causes are in force, and how they are told: without a server."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.alerts.causes import Cause, Landing, Verdict, broken, consequences, counted, newest, overflowing
from stori_pipeline.alerts.memory import Memory
from stori_pipeline.alerts.messages import FEW, SUBJECT, compose
from stori_pipeline.logs import redacted

pytestmark = pytest.mark.clock

HOUR = 3_600.0


def _verdict(step: int, at: int, bad: bool) -> Verdict:
    return Verdict(f"step {step}", float(at), bad, "run_failed", f"bank.t{step}", f"failed at {at}" if bad else "")


_VERDICTS = st.lists(st.builds(_verdict, st.integers(0, 3), st.integers(1, 1000), st.booleans()), unique_by=lambda v: (v.about, v.at))


@settings(max_examples=60)
@given(_VERDICTS, st.lists(st.integers(0, 40), max_size=4), st.data())
def test_the_causes_in_force_do_not_depend_on_how_runs_are_portioned(verdicts: list[Verdict], cuts: list[int], data: st.DataObject) -> None:
    at_once = broken(newest({}, verdicts, now=1000.0).values())
    in_order = sorted(verdicts, key=lambda each: each.at)
    last: dict[str, Verdict] = {}
    read = 0
    for end in [*sorted(cuts), len(in_order)]:
        again = data.draw(st.integers(0, read))  # runs that go on are read again
        last = newest(last, data.draw(st.permutations(in_order[again:end])), now=1000.0)
        read = min(end, len(in_order))
    assert sorted(broken(last.values()), key=lambda c: c.key) == sorted(at_once, key=lambda c: c.key)


def _note(memory: Memory, *causes: Cause, now: float, made_of: dict[str, set[str]] | None = None) -> list[str]:
    memory.note(causes, made_of=made_of or {}, to=("sns",), ui="http://ui", now=now, pages={"bank.a": "warehouse/bank/a"})
    subjects = [message.subject for message in memory.unsent]
    for message in list(memory.unsent):
        memory.sent(message, "sns")
    assert memory == Memory.from_json(memory.to_json())
    return subjects


def test_a_cause_that_is_over_before_anybody_was_told_is_not_told() -> None:
    memory = Memory()
    cause = Cause("run_failed", "bank.a", 100.0, "it broke")
    for in_force in ([cause], [cause], []):
        memory.note(in_force, made_of={}, to=("sns",), ui="http://ui", now=200.0, pages={})
    assert (memory.unsent, memory.told) == ([], {})


def test_a_consequence_is_not_told_and_one_told_before_ends_only_when_it_is_over() -> None:
    made_of = {"star.b": {"bank.a"}, "reports.c": {"star.b"}}
    failed = Cause("run_failed", "bank.a", 300.0, "it broke")
    stale = [Cause("freshness", name, 200.0, "nothing loaded") for name in ("bank.a", "star.b", "reports.c", "bank.other")]
    assert consequences([failed, *stale], made_of) == {"freshness bank.a", "freshness star.b", "freshness reports.c"}
    memory = Memory()
    assert _note(memory, stale[1], now=200.0, made_of=made_of) == ["[stori] not fresh: star.b"]
    assert sorted(_note(memory, failed, *stale, now=400.0, made_of=made_of)) == [
        "[stori] not fresh: bank.other",
        "[stori] run failed: bank.a",
    ]
    assert sorted(_note(memory, stale[1], stale[3], now=500.0, made_of=made_of)) == ["[stori] resolved: run failed: bank.a"]


def test_many_causes_of_a_kind_are_one_message_and_few_are_one_each() -> None:
    def told(count: int) -> Sequence[str]:
        causes = [Cause("freshness", f"bank.t{n:02}", 100.0 + n, f"nothing loaded into {n}") for n in range(count)]
        return [m.subject for m in compose(causes, "begun", to=("sns",), ui="http://ui", now=200.0, pages={})]

    assert len(told(FEW)) == FEW
    assert told(FEW + 1) == [f"[stori] not fresh: {FEW + 1} tables"]


def test_a_subject_is_what_sns_takes_and_a_body_holds_no_password() -> None:
    words = "cannot reach postgresql://reader:s3cr3t@db:5432/bank\nsee https://hooks.slack.com/services/T0/B0/xyz"
    (message,) = compose(
        [Cause("check_failed", "bank." + "é" * 200, 0.0, words, "run", "one\ncheck")], "over", to=(), ui="http://ui", now=3_725.0, pages={}
    )
    assert message.subject.isascii()
    assert message.subject.isprintable()
    assert len(message.subject) == SUBJECT
    assert "lasted 1 h 2 min" in message.body
    assert "s3cr3t" not in message.body + str(message.as_slack())
    assert "xyz" not in message.body
    assert "postgresql://reader:…@db:5432/bank" in message.body
    assert redacted("at 12:30 x@y.z, http://127.0.0.1:3000/runs") == "at 12:30 x@y.z, http://127.0.0.1:3000/runs"


def test_rows_that_are_lost_a_few_at_a_time_are_found_over_a_day() -> None:
    def landing(hour: float, rejected: int, *, snapshot: bool = False) -> Landing:
        return Landing("bank.a", hour * HOUR, snapshot, rows=9, rejected=rejected, allowed=0.01)

    days = counted({}, [landing(100 + n / 10, 1) for n in range(10)], now=101 * HOUR)
    assert overflowing(days, 101 * HOUR) == []  # 10 rows: what one per cent of a thousand may be
    days = counted(days, [landing(102, 1)], now=102 * HOUR)
    (cause,) = overflowing(days, 102 * HOUR)
    assert (cause.key, cause.words.split(" rows")[0]) == ("quarantine bank.a", "11 of the 110")
    assert overflowing(counted(days, [], now=125 * HOUR), 125 * HOUR) == []  # a day later
    assert overflowing(counted(days, [landing(103, 0, snapshot=True)], now=103 * HOUR), 103 * HOUR) == []  # or landed anew
