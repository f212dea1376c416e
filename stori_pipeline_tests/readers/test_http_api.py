"""Daily rates over real HTTP: which days are requested, which rates are plausible, and failures of an API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from stori_pipeline.catalog.rates import TABLES
from stori_pipeline.local.rates_server import RatesServer
from stori_pipeline.model.reading import Position
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable, reader_for, scaffold
from stori_pipeline.readers.http_api import ByDay
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.readers.drained import Drained, drained

_CHANGES = TABLES[0].changes
assert isinstance(_CHANGES, ByDay)
TABLE = replace(TABLES[0], changes=replace(_CHANGES, start=date(2024, 11, 11)))  # a Monday


@dataclass
class Rates:
    server: RatesServer

    @property
    def url(self) -> str:
        return f"{self.server.url}?base=GBP&apikey=s3cret"

    def configure(self, **orders: Any) -> None:
        assert httpx.post(f"{self.server.url}/control", json=orders).status_code == 200

    def read(self, since: Position | None = None, **also: Any) -> Drained:
        self.server.requests.clear()
        return drained(reader_for("http_api", self.url), TABLE, since, **also)

    def head(self, since: Position) -> str:
        return reader_for("http_api", self.url).head(TABLE, since)


@pytest.fixture
def rates() -> Iterator[Rates]:
    with RatesServer(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            api = Rates(server)
            api.configure(today="2024-11-15")
            yield api
        finally:
            server.shutdown()
            thread.join()


def _days(reading: Drained) -> list[str]:
    return [str(day) for day in sorted({row["rate_date"] for row in reading.rows})]


def _rate(reading: Drained, day: str, currency: str) -> Decimal:
    (rate,) = {row["rate"] for row in reading.rows if str(row["rate_date"]) == day and row["currency"] == currency}
    assert isinstance(rate, Decimal)
    return rate


WEEK = ["2024-11-11", "2024-11-12", "2024-11-13", "2024-11-14", "2024-11-15"]


@pytest.mark.clock
def test_every_day_since_the_start_is_read_and_then_only_what_is_new(rates: Rates) -> None:
    first = rates.read()
    assert (first.kind, _days(first), first.rejected) == ("snapshot", WEEK, [])
    assert len(first.rows) == 5 * 8
    assert (first.until["through"], {row["base"] for row in first.rows}) == ("2024-11-15", {"GBP"})
    quiet = rates.read(first.until)
    assert (quiet.rows, quiet.must_land, quiet.until, rates.server.requests) == ([], False, first.until, ["latest"])
    assert rates.head(first.until) == ""
    rates.configure(today="2024-11-19")
    assert rates.head(first.until) != ""
    missed = rates.read(first.until)
    assert (_days(missed), missed.until["through"]) == (["2024-11-18", "2024-11-19"], "2024-11-19")
    assert rates.server.requests == ["latest", "2024-11-15", "2024-11-16", "2024-11-17", "2024-11-18"]


def test_a_weekend_answered_with_fridays_rates_adds_no_row(rates: Rates) -> None:
    rates.configure(today="2024-11-17")
    first = rates.read()
    assert _days(first) == WEEK
    assert first.until["through"] == "2024-11-15"
    assert rates.read(first.until, day=date(2024, 11, 16)).rows == []
    rates.configure(today="2024-11-18")
    assert _days(rates.read(first.until)) == ["2024-11-18"]


def test_numbers_land_as_they_were_written(rates: Rates) -> None:
    rates.configure(rates={"2024-11-14": {"XAU": "0.00049012", "VND": "32108", "XTS": "1e-8"}, "2024-11-13": {"XXX": "0.123456789"}})
    first = rates.read()
    assert [str(_rate(first, "2024-11-14", name)) for name in ("XAU", "VND", "XTS")] == ["0.00049012", "32108.00000000", "1E-8"]
    assert [(row["code"], row["column"]) for row in first.rejected] == [("scale", "rate")]


def test_todays_rates_are_read_again_when_they_are_restated(rates: Rates) -> None:
    first = rates.read()
    rates.configure(rates={"2024-11-15": {"USD": "1.3"}})
    second = rates.read(first.until)
    assert (_days(second), _rate(second, "2024-11-15", "USD")) == (["2024-11-15"], Decimal("1.3"))
    # Restated once more, and before anyone looked the next day came.
    rates.configure(rates={"2024-11-15": {"USD": "1.31"}}, today="2024-11-18")
    third = rates.read(second.until)
    assert (_days(third), _rate(third, "2024-11-15", "USD")) == (["2024-11-15", "2024-11-18"], Decimal("1.31"))


def test_a_day_that_was_restated_later_is_read_by_its_date(rates: Rates) -> None:
    first = rates.read()
    rates.configure(rates={"2024-11-12": {"USD": "1.4", "EUR": "120"}})
    assert rates.read(first.until).rows == []
    again = rates.read(first.until, day=date(2024, 11, 12))
    assert (_days(again), _rate(again, "2024-11-12", "USD"), again.until) == (["2024-11-12"], Decimal("1.4"), first.until)
    assert [(row["code"], json.loads(row["raw"])["currency"]) for row in again.rejected] == [("implausible", "EUR")]


def test_an_api_without_etags_is_read_no_more_than_one_with(rates: Rates) -> None:
    rates.configure(etags=False)
    first = rates.read()
    assert rates.read(first.until).rows == []
    assert rates.head(first.until) == ""
    rates.configure(rates={"2024-11-15": {"USD": "1.3"}})
    assert rates.head(first.until) == rates.head(first.until) != ""


@pytest.mark.parametrize("wrong", ["0", "-1.2", "NaN", "Infinity", "12.7", "0.1"])
def test_an_implausible_rate_is_quarantined_and_the_others_land(rates: Rates, wrong: str) -> None:
    rates.configure(rates={"2024-11-14": {"USD": wrong}})
    first = rates.read()
    (rejected,) = first.rejected
    assert (rejected["code"], rejected["column"]) == ("implausible", "rate")
    assert json.loads(rejected["raw"]) == json.loads(rejected["raw"]) | {"date": "2024-11-14", "currency": "USD"}
    assert len(first.rows) == 5 * 8 - 1
    assert _rate(first, "2024-11-15", "USD") < 2


def test_a_jump_is_refused_across_readings_and_accepted_when_repeated(rates: Rates) -> None:
    first = rates.read()
    rates.configure(today="2024-11-18", rates={"2024-11-18": {"USD": "126"}})
    second = rates.read(first.until)
    assert [row["code"] for row in second.rejected] == ["implausible"]
    # The same day again proves nothing.
    rates.configure(rates={"2024-11-18": {"USD": "126.5"}})
    third = rates.read(second.until)
    assert [row["code"] for row in third.rejected] == ["implausible"]
    rates.configure(today="2024-11-19", rates={"2024-11-18": {"USD": "126.5"}, "2024-11-19": {"USD": "127"}})
    fourth = rates.read(third.until)
    assert (_rate(fourth, "2024-11-19", "USD"), fourth.rejected) == (Decimal(127), [])


def test_a_restated_day_is_compared_with_the_day_before_it(rates: Rates) -> None:
    """Not with its own first answer: 12.5 after 1.277 was accepted as 9.8 times more, and then 13.5 as near 12.5."""
    rates.configure(rates={"2024-11-14": {"USD": "1.277"}, "2024-11-15": {"USD": "12.5"}})
    first = rates.read()
    assert [(row["code"], json.loads(row["raw"])["currency"]) for row in first.rejected] == [("implausible", "USD")]
    rates.configure(rates={"2024-11-15": {"USD": "2.4"}})
    second = rates.read(first.until)
    assert _rate(second, "2024-11-15", "USD") == Decimal("2.4")
    rates.configure(rates={"2024-11-15": {"USD": "2.6"}})
    third = rates.read(second.until)
    assert [row["reason"] for row in third.rejected] == [
        "rate: 2.6 is at least 2 times more or less than 1.277, the last plausible value of an earlier day"
    ]
    rates.configure(today="2024-11-18", rates={"2024-11-15": {"USD": "2.4"}, "2024-11-18": {"USD": "4.7"}})
    assert _rate(rates.read(third.until), "2024-11-18", "USD") == Decimal("4.7")


@pytest.mark.parametrize(("remembered", "expected"), [(["1.2"], []), (["12", "2024-11-14", "1.2"], []), (["12"], ["implausible"])])
def test_values_that_a_position_of_an_older_version_remembers_are_compared(
    rates: Rates, remembered: list[str], expected: list[str]
) -> None:
    first = rates.read()
    plausible = {"rate": {**first.until["plausible"]["rate"], "USD": remembered}}
    rates.configure(today="2024-11-18", rates={"2024-11-18": {"USD": "1.25"}})
    assert [row["code"] for row in rates.read({**first.until, "plausible": plausible}).rejected] == expected


def test_a_rate_that_is_not_a_number_is_quarantined_alone(rates: Rates) -> None:
    rates.configure(rates={"2024-11-14": {"USD": '"n/a"', "EUR": "null", "CHF": "true", "SEK": "[1]"}})
    first = rates.read()
    assert sorted((row["code"], json.loads(row["raw"])["currency"]) for row in first.rejected) == [
        ("missing", "EUR"),
        ("type", "CHF"),
        ("type", "SEK"),
        ("type", "USD"),
    ]


# ---- an API in trouble


@pytest.mark.parametrize(
    "failure",
    [{"status": 500}, {"status": 503, "retry_after": "0"}, {"status": 429, "retry_after": "0"}, {"status": 429}, {}],
    ids=["500", "503", "429 with a wait", "429 without", "cut off"],
)
def test_a_temporary_failure_is_retried(rates: Rates, failure: dict[str, Any]) -> None:
    rates.configure(fail=[failure, {**failure, "path": "2024-11-13"}])
    assert _days(rates.read()) == WEEK
    assert rates.server.requests.count("2024-11-13") == 2


def test_a_run_does_not_wait_an_hour_for_an_api(rates: Rates) -> None:
    for wait in ("3600", "Fri, 31 Dec 2100 23:59:59 GMT"):
        rates.configure(fail=[{"status": 429, "retry_after": wait}])
        with pytest.raises(SourceUnavailable, match="asks to wait"):
            rates.read()
        assert rates.server.requests == ["latest"]


def test_an_interrupted_backfill_lands_its_days_and_continues_from_there(rates: Rates) -> None:
    first = rates.read()
    rates.configure(today="2024-11-22", fail=[{"status": 429, "retry_after": "3600", "path": "2024-11-20"}])
    second = rates.read(first.until)
    assert (_days(second), second.until["through"], second.must_land) == (["2024-11-18", "2024-11-19"], "2024-11-19", True)
    assert rates.head(second.until) != ""
    third = rates.read(second.until)
    assert (_days(third)[-3:], third.until["through"]) == (["2024-11-20", "2024-11-21", "2024-11-22"], "2024-11-22")
    assert rates.read(third.until).rows == []


def test_a_backfill_without_a_day_and_an_interrupted_full_reading_fail(rates: Rates) -> None:
    first = rates.read()
    refusal = {"status": 429, "retry_after": "3600"}
    rates.configure(today="2024-11-20", fail=[{**refusal, "path": "2024-11-16"}])
    with pytest.raises(SourceUnavailable):
        rates.read(first.until)
    rates.configure(fail=[{**refusal, "path": "2024-11-14"}])
    with pytest.raises(SourceUnavailable):
        rates.read()


def test_a_missing_day_among_others_is_quarantined(rates: Rates) -> None:
    rates.configure(unknown=["2024-11-13"])
    first = rates.read()
    assert "2024-11-13" not in _days(first)
    assert [(row["code"], json.loads(row["raw"])) for row in first.rejected] == [("day", {"date": "2024-11-13"})]
    assert first.until["through"] == "2024-11-15"


def test_a_latest_answer_older_than_the_position_is_refused(rates: Rates) -> None:
    first = rates.read()
    rates.configure(today="2024-11-14")
    with pytest.raises(SourceUnavailable, match="has answered for 2024-11-15 before"):
        rates.read(first.until)


def test_another_base_currency_is_read_from_the_start(rates: Rates) -> None:
    first = rates.read()
    other = reader_for("http_api", f"{rates.server.url}?base=EUR")
    with pytest.raises(PositionLost, match="its base is EUR now and was GBP before"):
        drained(other, TABLE, first.until)
    assert other.head(TABLE, first.until) != ""
    with pytest.raises(PositionLost):
        rates.read({"seen": []})


ANSWERS = {
    "a page": ("<html>log in</html>", "is not JSON"),
    "another shape": ('{"conversion_rates": {}}', "has no object at 'rates'"),
    "no date": ('{"base": "GBP", "rates": {}, "date": "today"}', "no date"),
    "an amount": ('{"base": "GBP", "date": "2024-11-15", "amount": 100, "rates": {}}', "amount is 100, but the definition expects 1"),
    "too much": (" " * 6_000_000, "more than"),
    "deep": ("[" * 100_000, "is not JSON"),
}


@pytest.mark.parametrize("body", ANSWERS)
def test_an_answer_of_another_shape_is_refused_with_the_reason(rates: Rates, body: str) -> None:
    rates.configure(fail=[{"body": ANSWERS[body][0]}])
    with pytest.raises(SourceError, match=ANSWERS[body][1]) as raised:
        rates.read()
    assert not isinstance(raised.value, SourceUnavailable)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ({"status": 403}, "check the key"),
        ({"status": 302, "headers": {"Location": "https://example.org/x?apikey=s3cret"}}, "to example.org"),
        ({"status": 404}, "no such page"),
        ({"status": 418}, "answers 418"),
    ],
)
def test_a_refusal_says_what_to_do_and_keeps_the_key(rates: Rates, failure: dict[str, Any], message: str) -> None:
    rates.configure(fail=[failure])
    with pytest.raises(SourceError, match=message) as raised:
        rates.read()
    assert "s3cret" not in f"{raised.value} {reader_for('http_api', rates.url)!r}"
    assert rates.server.requests == ["latest"]


def test_an_answer_for_a_later_day_is_refused(rates: Rates) -> None:
    later = '{"base": "GBP", "date": "2024-11-15", "rates": {"USD": 1.2}}'
    rates.configure(fail=[{"path": "2024-11-12", "body": later}])
    with pytest.raises(SourceError, match="later than the requested day"):
        rates.read()


def test_a_malformed_api_address_is_refused_without_quoting_it() -> None:
    for wrong in ("ftp://s3cret@host", "http://", "s3cret"):
        with pytest.raises(SourceError, match="should look like https") as raised:
            drained(reader_for("http_api", wrong), TABLE)
        assert "s3cret" not in str(raised.value)


def test_drift_names_a_member_that_no_column_reads(rates: Rates) -> None:
    assert reader_for("http_api", rates.url).drift(TABLE) == []
    rates.configure(fail=[{"body": '{"base": "GBP", "date": "2024-11-15", "provider": "x", "amount": 1.0, "rates": {"USD": 1.2}}'}])
    (line,) = reader_for("http_api", rates.url).drift(TABLE)
    assert "'provider'" in line.text
    assert 'add Column("provider", varchar(65535))' in line.text


def test_a_scaffolded_definition_reads_the_newest_day(rates: Rates) -> None:
    text = scaffold("http_api", rates.url, "rates", "daily")
    assert "start=datetime.date(2024, 11, 15)" in text
    assert "s3cret" not in text
    table = pasted(text, TABLE.source)
    assert table.key == ("day", "base", "name")
    read = drained(reader_for("http_api", rates.url), table)
    assert (len(read.rows), read.rejected, {str(row["day"]) for row in read.rows}) == (8, [], {"2024-11-15"})
    assert sorted(row["value"] for row in read.rows) == sorted(
        row["rate"] for row in rates.read().rows if str(row["rate_date"]) == "2024-11-15"
    )


@pytest.mark.clock
def test_two_rates_servers_publish_the_same_plausible_rates() -> None:
    with RatesServer(("127.0.0.1", 0)) as one, RatesServer(("127.0.0.1", 0)) as other:
        late = one.body("2026-01-15", "GBP")
        assert other.body("2024-11-15", "GBP") == one.body("2024-11-15", "GBP")
        assert other.body("2026-01-15", "GBP") == late
    assert late is not None
    assert 1.0 < json.loads(late)["rates"]["USD"] < 1.6
