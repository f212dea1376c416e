"""The responses of the API, its access rules, and its behaviour while the warehouse is unavailable."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from stori_pipeline.api import create_app
from stori_pipeline.api.serving import serve_in_thread
from stori_pipeline.api.store import SESSIONS, Store, StoreUnavailable
from stori_pipeline.settings import Settings
from stori_pipeline.shipped.payments import extension
from stori_pipeline_tests.api.conftest import Surroundings


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [payment["payment_id"] for payment in answer.json()]


@pytest.mark.clock
def test_the_last_five_payments_are_scheduled_up_to_the_day_latest_first(client: TestClient) -> None:
    assert ids(client.get("/payments/last5?as_of=2024-11-15")) == [6, 5, 4, 3, 2]
    assert ids(client.get("/payments/last5?as_of=2024-11-12")) == [3, 2, 1, 11, 12]
    assert ids(client.get("/payments/last5?as_of=2020-01-01")) == []


@pytest.mark.clock
def test_payments_are_listed_by_schedule_also_if_their_flag_is_never_set(client: TestClient) -> None:
    """The source sets no flag of a payment that falls due on a weekend: 7 was neither among the last nor, a day later, among the next."""
    assert ids(client.get("/payments/last5?as_of=2024-11-17")) == [7, 6, 5, 4, 3]
    assert ids(client.get("/payments/next5?as_of=2024-11-17")) == [9, 10, 8]
    assert ids(client.get("/payments/next5?as_of=2024-11-15")) == [7, 9, 10, 8]
    assert ids(client.get("/payments/next5")) == []  # after today, long after


@pytest.mark.clock
@pytest.mark.parametrize(
    ("day", "last", "following"),
    [
        ("2023-04-30", {}, {}),
        ("2023-05-01", {}, {13: True, 11: False}),
        ("2023-05-07", {13: True, 12: None}, {11: False}),
        ("2023-05-08", {11: True, 13: True, 12: None}, {}),
        ("2023-05-10", {11: True, 12: None}, {}),
        ("2023-05-20", {11: True, 12: True}, {}),
    ],
)
def test_a_day_of_the_past_is_answered_from_the_versions_of_that_day(
    client: TestClient, day: str, last: dict[int, bool | None], following: dict[int, bool | None]
) -> None:
    """It had today's flags before, and payments that did not exist yet."""
    for address, expected in (("last5", last), ("next5", following)):
        found = client.get(f"/payments/{address}?as_of={day}").json()
        assert {each["payment_id"]: each["paid"] for each in found} == expected


@pytest.mark.clock
def test_without_a_day_payments_are_counted_from_the_day_in_utc(surroundings: Surroundings) -> None:
    ahead = datetime(2024, 11, 18, 9, tzinfo=timezone(timedelta(hours=14)))  # in UTC it is still the 17th
    with surroundings.app(lambda: ahead) as client:
        assert ids(client.get("/payments/next5")) == [9, 10, 8]
        assert ids(client.get("/payments/last5")) == [7, 6, 5, 4, 3]
        assert "2024-11-17" in client.get("/").text


def test_a_payment_has_its_counterparty_its_amount_to_the_digit_and_its_currency(client: TestClient) -> None:
    unknown, exact, _ = client.get("/payments/next5?as_of=2024-11-17").json()
    assert unknown["counterparty"] is None
    assert (exact["counterparty"], exact["amount"], exact["currency"], exact["payment_type"], exact["paid"]) == (
        "Padberg, Lueilwitz and Johnson",
        "99999999.99",
        "GBP",
        "SALES_RECEIPT",
        False,
    )


def test_an_invalid_day_is_refused_with_the_reason(client: TestClient) -> None:
    answer = client.get("/payments/next5?as_of=2024-02-30")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "as_of"]


@pytest.mark.clock
def test_freshness_names_every_table_that_was_loaded(client: TestClient) -> None:
    tables = {each["table"]: each for each in client.get("/freshness").json()["tables"]}
    assert set(tables) == {"star.fact_payment", "star.dim_counterparty", "star.dim_currency", "star.dim_payment_type"}
    assert {each["lag_seconds"] for each in tables.values()} == {None}  # there is no Dagster instance, which alone knows the lag
    assert {each["verified_through"] for each in tables.values()} == {None}  # a warehouse of an earlier version has no table of proofs


@pytest.mark.clock
def test_the_page_shows_payments_tables_and_charts_and_escapes_the_data(client: TestClient) -> None:
    page = client.get("/?as_of=2024-11-17")
    assert page.status_code == 200
    assert "star.fact_payment" in page.text
    assert 'src="charts/payments.svg"' in page.text
    assert "O&#x27;Hara &lt;b&gt;Ltd&lt;/b&gt;" in page.text
    assert "<b>" not in page.text


def test_charts_are_served_and_nothing_else_of_the_bucket_is(client: TestClient) -> None:
    picture = client.get("/charts/payments.svg")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert [client.get(f"/charts/{name}.svg").status_code for name in ("none", "..%2Fstar", "Payments")] == [404, 404, 404]


def test_with_a_key_set_only_health_answers_without_the_key(surroundings: Surroundings) -> None:
    with surroundings.app(STORI_API_KEY="k3y") as client:
        assert client.get("/health").json() == {"status": "ok", "warehouse": "answers"}
        for address in ("/", "/freshness", "/payments/last5", "/payments/next5", "/charts/payments.svg"):
            assert client.get(address).status_code == 401
            assert client.get(address, headers={"X-API-Key": "wr\u00f6ng".encode()}).status_code == 401
            assert client.get(address, headers={"X-API-Key": "k3y"}).status_code == 200


def test_with_a_key_too_many_requests_are_told_to_wait(surroundings: Surroundings) -> None:
    with surroundings.app(STORI_API_KEY="k3y", STORI_API_RATE="3/minute") as client:
        answers = [client.get("/payments/last5", headers={"X-API-Key": key}) for key in ("k3y", "no", "k3y", "k3y", "no")]
        assert [answer.status_code for answer in answers] == [200, 401, 200, 429, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_an_unavailable_warehouse_is_a_503_without_details(surroundings: Surroundings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"postgresql://reader:s3cret@127.0.0.1:{free.getsockname()[1]}/dev"
    with surroundings.app(STORI_WAREHOUSE_READER=nowhere) as client:
        for address in ("/", "/health", "/freshness", "/payments/last5"):
            answer = client.get(address)
            assert (answer.status_code, answer.json()) == (503, {"detail": "the warehouse does not answer"})
            assert answer.headers["Retry-After"] == "10"


def test_the_api_reconnects_to_a_restarted_warehouse(surroundings: Surroundings) -> None:
    store = Store(lambda: surroundings.environ["STORI_WAREHOUSE_READER"])
    ((pid,),) = [tuple(row.values()) for row in store.rows("SELECT pg_backend_pid() AS pid")]
    with surroundings.warehouse.session("end a session") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    store._free[0].close()  # as the client sees a server that went away
    assert store.rows("SELECT 1 AS one") == [{"one": 1}]
    assert pid
    store.close()


def test_the_role_cannot_write(surroundings: Surroundings) -> None:
    store = Store(lambda: surroundings.environ["STORI_WAREHOUSE_READER"])
    with pytest.raises(StoreUnavailable):
        store.rows("DELETE FROM star.dim_currency")
    assert store.rows("SELECT COUNT(*) AS n FROM star.dim_currency") == [{"n": 1}]
    store.close()


def test_many_clients_share_a_few_sessions(surroundings: Surroundings) -> None:
    store = Store(lambda: surroundings.environ["STORI_WAREHOUSE_READER"])
    answers: list[int] = []

    def ask(number: int) -> None:
        answers.append(store.rows(f"SELECT {number} AS n, COUNT(*) AS c FROM star.fact_payment")[0]["n"])

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(3 * SESSIONS)]
    for each in askers:
        each.start()
    for each in askers:
        each.join(30)
    assert sorted(answers) == list(range(3 * SESSIONS))
    assert len(store._free) <= SESSIONS
    store.close()


ADDRESSES = ["/payments/last5", "/payments/next5", "/freshness", "/health", "/", "/charts/{name}.svg"]


def test_the_api_has_exactly_these_paths(client: TestClient) -> None:
    assert sorted(client.get("/openapi.json").json()["paths"]) == sorted(ADDRESSES)


@pytest.mark.parametrize("key_setting", [{}, {"STORI_API_KEY": "k3y", "STORI_API_RATE": "1000000/minute"}], ids=["open", "with a key"])
def test_schemathesis_finds_nothing(surroundings: Surroundings, key_setting: dict[str, str], tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    with serve_in_thread(create_app(Settings(surroundings.environ | key_setting), extend=extension)) as address:
        command = [
            str(program),
            "run",
            f"{address}/openapi.json",
            "--max-examples",
            "20",
            "--seed",
            "1",
            "--no-color",
            "--report-dir",
            str(tmp_path),
        ]
        command += ["--header", f"X-API-Key: {key_setting['STORI_API_KEY']}"] if key_setting else []
        found = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=tmp_path)
    assert found.returncode == 0, found.stdout
    assert f"Tested: {len(ADDRESSES)}" in found.stdout
