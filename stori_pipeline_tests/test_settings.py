"""Settings in Secrets Manager, with the local one."""

from __future__ import annotations

import uuid

import boto3
import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline.settings import Settings, foreign, secrets
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


@pytest.mark.parametrize(("kind", "name"), [("aws", "AWS_CA_BUNDLE"), ("http", "SSL_CERT_FILE")])
def test_a_variable_of_tls_is_named_only_where_the_address_has_tls(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: it was blamed for a server of the local stack that was down."""
    for each in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "/of/another/program.pem")
    assert f"{name} is set and changes this connection" in foreign.hint(kind, "https://api.example")
    assert name not in foreign.hint(kind, "http://127.0.0.1:9")
