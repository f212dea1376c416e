"""The causes in force and their messages, without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.alerts.causes import (
    Cause,
    Landing,
    Signal,
    add_landings,
    consequences,
    latest_signals,
    quarantine_causes,
    signal_causes,
)
from stori_pipeline.alerts.memory import Memory
from stori_pipeline.alerts.messages import MAX_SEPARATE, MAX_SUBJECT, compose
from stori_pipeline.logs import redacted
from stori_pipeline_tests.extent import extent

pytestmark = pytest.mark.clock

HOUR = 3_600.0


def _signal(step: int, at: int, bad: bool) -> Signal:
    return Signal(f"step {step}", float(at), bad, "run_failed", f"bank.t{step}", f"failed at {at}" if bad else "")


_SIGNALS = st.lists(st.builds(_signal, st.integers(0, 3), st.integers(1, 1000), st.booleans()), unique_by=lambda v: (v.about, v.at))


@settings(max_examples=extent(60, 2_000))
@given(_SIGNALS, st.lists(st.integers(0, 40), max_size=4), st.data())
def test_the_causes_in_force_do_not_depend_on_how_runs_are_grouped(signals: list[Signal], cuts: list[int], data: st.DataObject) -> None:
    at_once = signal_causes(latest_signals({}, signals, now=1000.0).values())
    in_order = sorted(signals, key=lambda each: each.at)
    last: dict[str, Signal] = {}
    read = 0
    for end in [*sorted(cuts), len(in_order)]:
        again = data.draw(st.integers(0, read))  # runs that go on are read again
        last = latest_signals(last, data.draw(st.permutations(in_order[again:end])), now=1000.0)
        read = min(end, len(in_order))
    assert sorted(signal_causes(last.values()), key=lambda c: c.key) == sorted(at_once, key=lambda c: c.key)


def _update(memory: Memory, *causes: Cause, now: float, inputs: dict[str, set[str]] | None = None) -> list[str]:
    memory.update(causes, inputs=inputs or {}, to=("sns",), ui="http://ui", now=now, pages={"bank.a": "warehouse/bank/a"})
    subjects = [message.subject for message in memory.unsent]
    for message in list(memory.unsent):
        memory.mark_sent(message, "sns")
    assert memory == Memory.from_json(memory.to_json())
    return subjects


def test_a_cause_that_ends_before_any_message_was_sent_sends_none() -> None:
    memory = Memory()
    cause = Cause("run_failed", "bank.a", 100.0, "it broke")
    for in_force in ([cause], [cause], []):
        memory.update(in_force, inputs={}, to=("sns",), ui="http://ui", now=200.0, pages={})
    assert (memory.unsent, memory.announced) == ([], {})


def test_a_memory_that_an_earlier_version_wrote_is_readable() -> None:
    signal = {"about": "step s", "at": 1.0, "bad": True, "kind": "run_failed", "table": "bank.a", "words": "it broke", "since": 1.0}
    cause = {"kind": "run_failed", "table": "bank.a", "since": 1.0, "words": "it broke", "run_id": "r", "detail": ""}
    message = {"id": "1", "state": "begun", "subject": "s", "body": "b", "keys": ["k"], "to": ["sns"], "taken": False}
    stored = {
        "until": 5.0,
        "done": {"r": 4.0},
        "last": {"step s": signal | {"run_id": "r", "detail": ""}},
        "days": {"bank.a": {"allowed": 0.01, "hours": {"7": [10, 1]}}},
        "told": {"run_failed bank.a": cause},
        "unsent": [message],
        "as_of": {"bank.a": 3.0},
        "measured": [["LagSeconds", "bank.a", 5.0, 2.0]],
    }
    memory = Memory.from_json(json.dumps(stored))
    assert memory.announced["run_failed bank.a"] == Cause("run_failed", "bank.a", 1.0, "it broke", "r")
    assert memory.unsent[0].keys == ("k",)
    del stored["as_of"]  # lags are no longer remembered but read when they are sent
    again = json.loads(memory.to_json())
    assert (again["days"]["bank.a"].pop("allowed_rows"), again["days"]["bank.a"].pop("hollow")) == (1, 0)  # they are newer
    assert again == stored


def test_a_consequence_sends_no_message_and_an_earlier_one_resolves_only_when_over() -> None:
    inputs = {"star.b": {"bank.a"}, "reports.c": {"star.b"}}
    failed = Cause("run_failed", "bank.a", 300.0, "it broke")
    stale = [Cause("freshness", name, 200.0, "nothing loaded") for name in ("bank.a", "star.b", "reports.c", "bank.other")]
    assert consequences([failed, *stale], inputs) == {"freshness bank.a", "freshness star.b", "freshness reports.c"}
    memory = Memory()
    assert _update(memory, stale[1], now=200.0, inputs=inputs) == ["[stori] not fresh: star.b"]
    assert sorted(_update(memory, failed, *stale, now=400.0, inputs=inputs)) == [
        "[stori] not fresh: bank.other",
        "[stori] run failed: bank.a",
    ]
    assert sorted(_update(memory, stale[1], stale[3], now=500.0, inputs=inputs)) == ["[stori] resolved: run failed: bank.a"]


def test_many_causes_of_a_kind_are_one_message_and_few_are_one_each() -> None:
    def subjects(count: int) -> Sequence[str]:
        causes = [Cause("freshness", f"bank.t{n:02}", 100.0 + n, f"nothing loaded into {n}") for n in range(count)]
        return [m.subject for m in compose(causes, "begun", to=("sns",), ui="http://ui", now=200.0, pages={})]

    assert len(subjects(MAX_SEPARATE)) == MAX_SEPARATE
    assert subjects(MAX_SEPARATE + 1) == [f"[stori] not fresh: {MAX_SEPARATE + 1} tables"]


def test_sns_accepts_every_subject_and_no_body_has_a_password() -> None:
    words = "cannot reach postgresql://reader:s3cr3t@db:5432/bank\nsee https://hooks.slack.com/services/T0/B0/xyz"
    (message,) = compose(
        [Cause("check_failed", "bank." + "é" * 200, 0.0, words, "run", "one\ncheck")], "over", to=(), ui="http://ui", now=3_725.0, pages={}
    )
    assert message.subject.isascii()
    assert message.subject.isprintable()
    assert len(message.subject) == MAX_SUBJECT
    assert "lasted 1 h 2 min" in message.body
    assert "s3cr3t" not in message.body + str(message.as_slack())
    assert "xyz" not in message.body
    assert "postgresql://reader:…@db:5432/bank" in message.body
    assert redacted("at 12:30 x@y.z, http://127.0.0.1:3000/runs") == "at 12:30 x@y.z, http://127.0.0.1:3000/runs"


def test_a_batch_with_nothing_good_in_it_alerts_however_small_it_is() -> None:
    """A lone garbage message among none that is good: neither its share nor its number would ever reach a threshold."""

    def landing(hour: float, rows: int, rejected: int, still_open: int | None = None) -> Landing:
        return Landing("events.a", hour * HOUR, False, rows, rejected, 0.5, 20, still_open)

    days = add_landings({}, [landing(99, 5_000, 0), landing(100, 0, 1)], now=101 * HOUR)
    (cause,) = quarantine_causes(days, 101 * HOUR)
    assert cause.words.startswith("nothing good came: the last 1 rows were all rejected")
    assert quarantine_causes(add_landings(days, [landing(102, 1, 1)], now=102 * HOUR), 102 * HOUR) == []  # a good one came
    assert quarantine_causes(add_landings(days, [landing(102, 0, 0, 0)], now=102 * HOUR), 102 * HOUR) == []  # or somebody decided
    assert len(quarantine_causes(add_landings(days, [landing(102, 0, 0, 1)], now=102 * HOUR), 102 * HOUR)) == 1


def test_rows_rejected_a_few_at_a_time_alert_over_a_day() -> None:
    def landing(hour: float, rejected: int, *, snapshot: bool = False) -> Landing:
        return Landing("bank.a", hour * HOUR, snapshot, rows=49, rejected=rejected, allowed=0.01, allowed_rows=2)

    days = add_landings({}, [landing(100, 1), landing(100.5, 1)], now=101 * HOUR)
    assert quarantine_causes(days, 101 * HOUR) == []  # two rows, which the definition allows whatever their share
    days = add_landings(days, [landing(102, 1)], now=102 * HOUR)
    (cause,) = quarantine_causes(days, 102 * HOUR)
    assert (cause.key, cause.words.split(" rows")[0]) == ("quarantine bank.a", "3 of the 150")
    assert "stori quarantine show bank.a" in cause.words
    assert quarantine_causes(add_landings(days, [], now=125 * HOUR), 125 * HOUR) == []  # a day later
    assert quarantine_causes(add_landings(days, [landing(103, 0, snapshot=True)], now=103 * HOUR), 103 * HOUR) == []  # or landed anew
