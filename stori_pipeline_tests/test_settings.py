"""Settings in Secrets Manager, with the local one."""

from __future__ import annotations

import uuid
from datetime import timedelta

import boto3
import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline.readers import SourceError, reader_for
from stori_pipeline.settings import SettingError, Settings, foreign, secrets
from stori_pipeline_tests.conftest import ANY_PORTS


def test_a_secret_is_fetched_once_and_again_when_it_is_old(idle_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: it was fetched at every use, several times per step."""
    idle_stack.up(only=["aws"], ports=ANY_PORTS)
    for name, value in idle_stack.client_environ().items():
        monkeypatch.setenv(name, value)
    manager = boto3.client("secretsmanager")
    name = f"warehouse-{uuid.uuid4().hex[:8]}"
    arn = manager.create_secret(Name=name, SecretString="postgresql://loader:first@cluster/dev")["ARN"]
    loaded = Settings({"STORI_WAREHOUSE": arn})

    assert loaded.warehouse_url == "postgresql://loader:first@cluster/dev"
    manager.put_secret_value(SecretId=name, SecretString="postgresql://loader:second@cluster/dev")
    assert Settings({"STORI_WAREHOUSE": arn}).warehouse_url == "postgresql://loader:first@cluster/dev"

    monkeypatch.setattr(secrets, "SECRET_SECONDS", 0.0)
    assert loaded.warehouse_url == "postgresql://loader:second@cluster/dev"
    assert "second" not in repr(loaded)


@pytest.mark.parametrize("value", ["0s", "5 s", "-1", "1d", "5", "s", "1.5h", "٣s", "", "99999999999999h"])
def test_a_target_lag_that_is_no_time_says_what_one_is(value: str) -> None:
    """Regression: `0s` and `5 s` were "not a number with s, min or h", which does not say what is wrong with them."""
    advice = "is empty" if not value else "a whole number above zero and s, min or h, without a blank, such as 30s"
    with pytest.raises(SettingError, match=f"STORI_TARGET_LAG .*{advice}"):
        _ = Settings({"STORI_TARGET_LAG": value}).target_lag


def test_a_target_lag_of_more_than_a_year_is_refused_when_it_is_read() -> None:
    """Regression: 99999999999h was accepted, and an OverflowError followed."""
    assert Settings({"STORI_TARGET_LAG": "8760h"}).target_lag == timedelta(days=365)
    for value in ("8761h", "99999999999h"):
        with pytest.raises(SettingError, match=f"STORI_TARGET_LAG is '{value}' and more than a year"):
            _ = Settings({"STORI_TARGET_LAG": value}).target_lag


REFUSED = "[Errno 111] Connection refused"
TLS = "[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer certificate"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any variable that could be to blame."""
    for names in foreign._VARIABLES.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("kind", "name", "value", "address", "error", "is_blamed"),
    [
        ("aws", "AWS_CA_BUNDLE", "/other.pem", "https://s3.example", TLS, True),
        ("aws", "AWS_CA_BUNDLE", "/other.pem", "https://s3.example", REFUSED, False),
        ("http", "SSL_CERT_FILE", "/other.pem", "https://api.example", TLS, True),
        ("http", "SSL_CERT_FILE", "/other.pem", "http://127.0.0.1:9", REFUSED, False),
        ("http", "HTTPS_PROXY", "http://127.0.0.1:3128", "https://api.example", REFUSED, True),
        ("http", "https_proxy", "http://127.0.0.1:3128", "https://api.example", REFUSED, True),
        ("http", "HTTPS_PROXY", "http://127.0.0.1:3128", "http://api.example", REFUSED, False),
        ("http", "HTTP_PROXY", "http://127.0.0.1:3128", "https://api.example", REFUSED, False),
        ("http", "ALL_PROXY", "socks5://127.0.0.1:1", "https://api.example", REFUSED, True),
        ("postgres", "PGSSLMODE", "require", "", "server does not support SSL, but SSL was required", True),
        ("postgres", "PGSSLMODE", "require", "", REFUSED, False),
        ("postgres", "PGOPTIONS", "-c nonsense=1", "", 'unrecognized configuration parameter "nonsense"', True),
        ("postgres", "PGOPTIONS", "-c geqo=off", "", REFUSED, False),
        ("postgres", "PGHOSTADDR", "10.0.0.1", "", REFUSED, True),
    ],
)
def test_a_variable_is_blamed_only_for_a_failure_that_it_can_cause(
    bare: pytest.MonkeyPatch, kind: str, name: str, value: str, address: str, error: str, is_blamed: bool
) -> None:
    """Regression: TLS variables and proxies were blamed for any server that was down."""
    bare.setenv(name, value)
    assert (f"{name} is set and changes this connection" in foreign.hint(kind, error, address)) == is_blamed
    if "PROXY" in name.upper() and is_blamed:
        bare.setenv("NO_PROXY", "api.example")
        assert foreign.hint(kind, error, address) == ""


def test_a_proxy_that_cannot_be_used_is_an_error_that_names_it(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(SourceError, match=r"proxy of the environment: .*; ALL_PROXY is set and changes this connection"):
        reader_for("http_api", "https://api.example/v1").describe("rates")
