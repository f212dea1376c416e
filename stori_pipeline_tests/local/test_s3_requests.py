"""The local S3 answers as S3 does where the pipeline relies on it: conditional writes, ranges, lists, errors.

What it keeps over a kill has a module of its own.
"""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import backends

from stori_pipeline.local.aws_server import PersistentS3
from stori_pipeline.local.s3_disk import Disk
from stori_pipeline_tests.local.local_s3 import Local, refusal

MB = 1024 * 1024


# ---- conditional writes


# The second is large enough for moto to write it to a file between its look and its write, where another thread gets its turn.
@pytest.mark.parametrize(("contenders", "rounds", "size"), [(12, 15, 5000), (4, 4, 17 * MB)])
def test_of_many_conditional_writers_one_wins(local: Local, own_bucket: str, contenders: int, rounds: int, size: int) -> None:
    start = threading.Barrier(contenders)
    won: list[tuple[int, int]] = []
    lost: list[str] = []

    def contend(contender: int) -> None:
        body = bytes([contender]) * size
        for n in range(rounds):
            start.wait(60)
            try:
                local.s3.put_object(Bucket=own_bucket, Key=f"{n}.json", Body=body, IfNoneMatch="*")
                won.append((n, contender))
            except ClientError as error:
                lost.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=contend, args=[n]) for n in range(contenders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(n for n, _ in won) == list(range(rounds))
    assert lost == ["PreconditionFailed"] * (contenders - 1) * rounds
    local.restart()
    for n, contender in won:
        body = local.body(own_bucket, f"{n}.json")
        assert len(body) == size
        assert set(body) == {contender}
    with pytest.raises(ClientError) as caught:
        local.s3.put_object(Bucket=own_bucket, Key="0.json", Body=b"late", IfNoneMatch="*")
    assert refusal(caught) == "PreconditionFailed"


def test_of_many_writers_with_the_same_etag_one_wins(local: Local, own_bucket: str) -> None:
    etag = local.s3.put_object(Bucket=own_bucket, Key="k", Body=b"first")["ETag"]
    won: list[int] = []
    start = threading.Barrier(8)

    def contend(contender: int) -> None:
        start.wait(60)
        try:
            local.s3.put_object(Bucket=own_bucket, Key="k", Body=str(contender).encode(), IfMatch=etag)
            won.append(contender)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"

    threads = [threading.Thread(target=contend, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1
    assert local.body(own_bucket, "k") == str(won[0]).encode()


# ---- reading


def test_ranges(local: Local, own_bucket: str) -> None:
    body = bytes(range(256)) * 8192  # 2 MB: several pieces
    local.s3.put_object(Bucket=own_bucket, Key="k", Body=body)

    def ranged(wanted: str) -> tuple[int, bytes, str]:
        got = local.s3.get_object(Bucket=own_bucket, Key="k", Range=wanted)
        return got["ResponseMetadata"]["HTTPStatusCode"], got["Body"].read(), got.get("ContentRange", "")

    size = len(body)
    assert ranged("bytes=5-9") == (206, body[5:10], f"bytes 5-9/{size}")
    assert ranged("bytes=1000000-") == (206, body[1000000:], f"bytes 1000000-{size - 1}/{size}")
    assert ranged("bytes=-100") == (206, body[-100:], f"bytes {size - 100}-{size - 1}/{size}")
    assert ranged(f"bytes=10-{size * 2}") == (206, body[10:], f"bytes 10-{size - 1}/{size}")
    with pytest.raises(ClientError) as caught:
        ranged(f"bytes={size}-")
    assert refusal(caught) == "InvalidRange"


def test_conditional_reads_and_errors_come_as_from_s3(local: Local, own_bucket: str) -> None:
    etag = local.s3.put_object(Bucket=own_bucket, Key="k", Body=b"x")["ETag"]
    assert local.s3.get_object(Bucket=own_bucket, Key="k", IfMatch=etag)["Body"].read() == b"x"
    for wanted, code in (
        ({"IfNoneMatch": etag}, "304"),
        ({"IfMatch": '"0"'}, "PreconditionFailed"),
        ({"Key": "missing"}, "NoSuchKey"),
        ({"Bucket": "no-such-bucket"}, "NoSuchBucket"),
    ):
        with pytest.raises(ClientError) as caught:
            local.s3.get_object(**{"Bucket": own_bucket, "Key": "k", **wanted})  # type: ignore[arg-type]
        assert refusal(caught) == code


def test_lists_come_in_order_by_pages_and_from_a_key_on(local: Local, own_bucket: str) -> None:
    keys = [f"t/{n:08d}.json" for n in range(1, 24)]
    for key in [*reversed(keys), "u/other"]:
        local.s3.put_object(Bucket=own_bucket, Key=key, Body=b"")
    local.restart()
    pages = local.s3.get_paginator("list_objects_v2").paginate(
        Bucket=own_bucket, Prefix="t/", StartAfter="t/00000005.json", PaginationConfig={"PageSize": 4}
    )
    listed = [[item["Key"] for item in page["Contents"]] for page in pages]
    assert [key for page in listed for key in page] == keys[5:]
    assert [len(page) for page in listed] == [4, 4, 4, 4, 2]
    folders = local.s3.list_objects_v2(Bucket=own_bucket, Delimiter="/")
    assert [folder["Prefix"] for folder in folders["CommonPrefixes"]] == ["t/", "u/"]


def test_a_reader_sees_one_version_or_another_while_an_object_is_overwritten(local: Local, own_bucket: str) -> None:
    size, stop = 300_000, threading.Event()
    wrong: list[str] = []
    local.s3.put_object(Bucket=own_bucket, Key="k", Body=b"a" * size)

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            local.s3.put_object(Bucket=own_bucket, Key="k", Body=bytes([97 + n % 26]) * size)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        deadline = time.monotonic() + 60
        for _ in range(100):
            assert time.monotonic() < deadline
            got = local.s3.get_object(Bucket=own_bucket, Key="k")
            body = got["Body"].read()
            if len(set(body)) != 1 or len(body) != size or got["ETag"] != f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"':
                wrong.append(got["ETag"])
    finally:
        stop.set()
        writer.join(60)
    assert wrong == []


# ---- the rest


def test_a_form_that_uploads_is_refused_in_words(local: Local, own_bucket: str) -> None:
    request = f"POST /{own_bucket} HTTP/1.0\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", local.port), timeout=30) as connection:
        connection.sendall(request.encode())
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 501 " in response
    assert b"takes no uploads by form" in response


def test_other_services_answer_at_the_same_address(local: Local) -> None:
    addresses = local.stack.client_environ()
    common = {
        "endpoint_url": addresses["AWS_ENDPOINT_URL"],
        "aws_access_key_id": "x",
        "aws_secret_access_key": "x",
        "region_name": addresses["AWS_DEFAULT_REGION"],
    }
    sqs = boto3.client("sqs", **common)  # type: ignore[call-overload]
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    assert [message["Body"] for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]] == ["hello"]
    sqs.close()
    secrets = boto3.client("secretsmanager", **common)  # type: ignore[call-overload]
    arn = secrets.create_secret(Name="s", SecretString="v")["ARN"]
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "v"
    secrets.close()


# ---- what a request costs


def test_many_requests_look_up_their_service_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lookups: list[None] = []
    services = list(backends.list_of_moto_modules())

    def listed() -> Iterable[str]:
        lookups.append(None)
        return services

    monkeypatch.setattr(backends, "list_of_moto_modules", listed)
    application = PersistentS3(Disk(tmp_path, sync=False))
    signed = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
    s3, sqs = ({"PATH_INFO": "/bucket/key", "HTTP_HOST": "localhost", "HTTP_AUTHORIZATION": signed.format(name)} for name in ("s3", "sqs"))
    answering = [application.get_application(environ) for environ in (s3, sqs) * 50]
    assert [each.service for each in answering[:2]] == ["s3", "sqs"]  # type: ignore[attr-defined]  # moto sets it
    assert len(set(map(id, answering))) == 2
    assert len(lookups) == 2
