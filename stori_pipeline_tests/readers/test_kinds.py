"""The package of every kind: declarations that are cheap to import, and prefixes of addresses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.table import Table
from stori_pipeline.readers import READERS, SourceError, kind_of_url, source_kind
from stori_pipeline_tests.shipped import TABLES

DRIVERS = {"psycopg2", "pymongo", "bson", "boto3", "botocore", "httpx", "tenacity", "polars"}


@pytest.mark.parametrize("kind", READERS)
def test_the_package_of_a_kind_is_imported_without_driver_and_reader(kind: str, tmp_path: Path) -> None:
    """Every definition of a table, and so every process, imports one."""
    code = f"import {READERS[kind]}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    imported = set(done.stdout.split())
    assert DRIVERS & imported == set()
    assert {name for name in imported if name.startswith(f"{READERS[kind]}.")} == set()


@pytest.mark.parametrize("kind", READERS)
def test_the_package_of_a_kind_implements_source_kind(kind: str) -> None:
    package = source_kind(kind)
    assert package.CHANGES
    assert all(issubclass(way, Changes) for way in package.CHANGES)
    assert all(isinstance(prefix, str) and prefix for prefix in package.URL_PREFIXES)
    assert callable(package.reader_at)
    assert callable(package.scaffold)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_every_table_has_a_change_strategy_of_its_kind(table: Table) -> None:
    assert isinstance(table.changes, source_kind(table.source.kind).CHANGES)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql://reader@host/bank", "postgres"),
        ("host=db dbname=bank", "postgres"),
        ("mongodb+srv://reader@cluster/exchange", "mongodb"),
        ("https://sqs.eu-central-1.amazonaws.com/123456789012/events", "sqs"),
        ("https://api.example/v1?base=GBP", "http_api"),
        ("s3://drops", "s3_drop"),
        ("ftp://files", ""),
    ],
)
def test_an_address_identifies_the_kind(url: str, kind: str) -> None:
    assert kind_of_url(url) == kind


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(SourceError, match="no kind of source 'oracle'; there are postgres, mongodb"):
        source_kind("oracle")
