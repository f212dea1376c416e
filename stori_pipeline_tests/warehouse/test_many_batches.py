"""Loads of many pending batches at once: what they ask of S3 and of the warehouse, and one bad part among them."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from stori_pipeline.lake import Lake
from stori_pipeline.local.stack import Stack
from stori_pipeline.warehouse import WarehouseError
from stori_pipeline_tests.gate import Gate
from stori_pipeline_tests.stores import StoredTable, s3_client
from stori_pipeline_tests.warehouse.statements import Recorder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANY = 120


@pytest.fixture
def pending(items: StoredTable) -> StoredTable:
    """A table of which one batch is loaded and MANY are not, with two rows each."""
    items.snapshot((0, "first"))
    items.loaded()
    for n in range(1, MANY + 1):
        items.changes((2 * n, f"of {n}"), (2 * n + 1, f"of {n}"))
    return items


def _key(items: StoredTable, url: str) -> str:
    return url.removeprefix(f"s3://{items.stores.bucket}/")


def test_many_batches_take_the_statements_of_one(pending: StoredTable) -> None:
    def of_load(items: StoredTable) -> list[str]:
        sent = Recorder(items).record(lambda recorded: recorded.load())
        return [re.sub(r"'.*?'|\b\d+\b", "?", each) for each in sent.split(";\n\n")]

    of_many = of_load(pending)
    pending.changes((7, "one more"), (100_000, "one more"))
    assert of_many == of_load(pending)
    assert sum(each.startswith("COPY") for each in of_many) == 1
    assert [row[:3] for row in pending.loads()] == [(1, 1, 1), (MANY + 1, 2 * MANY, 2 * MANY), (MANY + 2, 2, 2)]
    assert len(pending.mirror()) == 2 * MANY + 2


def test_many_batches_take_one_request_of_the_client_for_each_manifest(pending: StoredTable, idle_stack: Stack) -> None:
    environ = idle_stack.client_environ()
    address = urlsplit(environ["AWS_ENDPOINT_URL"])
    assert address.hostname is not None
    assert address.port is not None
    with (
        Gate((address.hostname, address.port)) as gate,
        s3_client({**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{gate.port}"}) as heard,
    ):
        replace(pending, stores=replace(pending.stores, lake=Lake(heard, pending.stores.bucket))).loaded()
        requests = Counter(
            (method.decode(), unquote(path.decode()))
            for sent in gate.requests
            for method, path in re.findall(rb"(GET|PUT|HEAD|DELETE) (/\S+) HTTP/1", bytes(sent))
        )
    manifests = Counter(path.rpartition("/")[2] for method, path in requests.elements() if method == "GET" and "/_manifests/0" in path)
    assert {f"{n:08}.json" for n in range(2, MANY + 2)} <= manifests.keys()
    assert sum(requests.values()) <= MANY + 6
    assert [path for method, path in requests.elements() if method == "PUT"] == [path for _, path in requests if "/_loads/" in path]


def test_the_manifest_of_many_batches_has_what_redshift_needs_of_each_part(pending: StoredTable, s3: S3Client) -> None:
    pending.loaded()
    (key,) = pending.stores.objects(pending.table, "_loads/")
    entries = json.loads(pending.stores.body(f"s3://{pending.stores.bucket}/{key}"))["entries"]
    parts = [part for each in pending.stores.lake.manifests(pending.table)[1:] for part in each.parts]
    assert [entry["url"] for entry in entries] == [part.url for part in parts]
    assert len(entries) == MANY
    for entry in entries:
        size = s3.head_object(Bucket=pending.stores.bucket, Key=_key(pending, entry["url"]))["ContentLength"]
        assert entry == {"url": entry["url"], "mandatory": True, "meta": {"content_length": size}}


@pytest.mark.parametrize("bad", ["missing", "damaged"])
def test_a_bad_part_among_many_is_named_and_nothing_is_loaded(pending: StoredTable, s3: S3Client, bad: str) -> None:
    part = pending.stores.lake.manifests(pending.table)[100].parts[0]
    bucket, key, body = pending.stores.bucket, _key(pending, part.url), pending.stores.body(part.url)
    s3.delete_object(Bucket=bucket, Key=key)
    if bad == "damaged":
        s3.put_object(Bucket=bucket, Key=key, Body=bytes(len(body)))
    with pytest.raises(WarehouseError, match=key):
        pending.load()
    assert pending.mirror() == [(0, "first")]
    assert pending.loads() == [(1, 1, 1, 0)]
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert pending.loaded().rows_copied == 2 * MANY
