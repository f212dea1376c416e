"""Settings in Secrets Manager, with the local one."""

from __future__ import annotations

import uuid

import boto3
import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline.settings import Settings, secrets
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
