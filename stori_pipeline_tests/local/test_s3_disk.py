"""The local S3: what it keeps over a kill, and that it behaves as S3 does where the pipeline relies on it."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from stori_pipeline.local.stack import LANDING_BUCKET, PROCESSED_BUCKET, Stack
from stori_pipeline_tests.conftest import ANY_PORTS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MB = 1024 * 1024
ODD_KEYS = [
    "plain",
    "Plain",  # a file system may not tell it from the one before
    "a/b",
    "a",  # both an object and the folder of one
    "a/",
    "a//b",
    ".",
    "..",
    "../../outside",
    ".hidden",
    "space and + plus",
    "100%",
    "100%25",
    "question?mark&amp;=1#hash",
    "colon:semi;comma,quote'\"back\\slash|pipe*",
    "zażółć/gęślą/日本語/🙂",
    "date=2026-11-21/batch=00000042/part-00000.parquet",
    "l" * 1024,
    "l" * 1023 + "m",
    "é" * 512,
    "_manifests/00000001.json",
    "tab\tand\u00a0nbsp",
]


class Local:
    """A local AWS of the test's own, which it may kill."""

    def __init__(self, home: Path) -> None:
        self.stack = Stack(home, durable=False)
        self.start()
        told = self.stack.client_environ()
        self.s3: S3Client = boto3.client(
            "s3",
            endpoint_url=told["AWS_ENDPOINT_URL"],
            aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
            region_name=told["AWS_DEFAULT_REGION"],
            config=Config(max_pool_connections=32, retries={"total_max_attempts": 1}),
        )

    @property
    def port(self) -> int:
        return int(self.stack.client_environ()["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])

    def start(self) -> None:
        self.stack.up(only=["aws"], ports=ANY_PORTS)

    def kill(self) -> None:
        """As the power switch of the process."""
        pid = next(server.pid for server in self.stack.status() if server.name == "aws")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        self.kill()
        self.start()

    @property
    def folder(self) -> Path:
        return self.stack.home / "aws" / "s3"

    def body(self, bucket: str, key: str) -> bytes:
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    folder = Path(tempfile.mkdtemp(prefix=f"stori-tests-{os.getpid()}-"))
    local = Local(folder / ".stori")
    try:
        yield local
    finally:
        local.s3.close()
        local.stack.down()
        shutil.rmtree(folder)


@pytest.fixture
def own_bucket(local: Local, request: pytest.FixtureRequest) -> str:
    name = "b-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:16]
    local.s3.create_bucket(Bucket=name)
    return name


def refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


# ---- what survives


def test_the_buckets_of_the_pipeline_are_there(local: Local) -> None:
    assert {LANDING_BUCKET, PROCESSED_BUCKET} <= {bucket["Name"] for bucket in local.s3.list_buckets()["Buckets"]}


def test_an_object_survives_with_all_that_is_known_of_it(local: Local, own_bucket: str) -> None:
    local.s3.put_object(
        Bucket=own_bucket,
        Key="k",
        Body=b"hello",
        ContentType="application/json",
        ContentEncoding="identity",
        CacheControl="no-store",
        Metadata={"run": "1", "with_underscore": "2"},
        Tagging="team=bank",
    )
    before = local.s3.head_object(Bucket=own_bucket, Key="k")
    listed = local.s3.list_objects_v2(Bucket=own_bucket)["Contents"]
    created = {bucket["Name"]: bucket["CreationDate"] for bucket in local.s3.list_buckets()["Buckets"]}
    local.restart()
    after = local.s3.head_object(Bucket=own_bucket, Key="k")
    for known in ("ETag", "LastModified", "ContentType", "ContentLength", "ContentEncoding", "CacheControl", "Metadata"):
        assert after[known] == before[known]
    assert local.body(own_bucket, "k") == b"hello"
    assert local.s3.list_objects_v2(Bucket=own_bucket)["Contents"] == listed
    assert local.s3.get_object_tagging(Bucket=own_bucket, Key="k")["TagSet"] == [{"Key": "team", "Value": "bank"}]
    assert {bucket["Name"]: bucket["CreationDate"] for bucket in local.s3.list_buckets()["Buckets"]} == created


def test_every_way_to_change_an_object_survives(local: Local, own_bucket: str) -> None:
    s3 = local.s3
    for key in ("overwritten", "deleted", "copied", "batch-1", "batch-2", "batch <&> 3", "tagged", "emptied"):
        s3.put_object(Bucket=own_bucket, Key=key, Body=b"old")
    s3.put_object(Bucket=own_bucket, Key="overwritten", Body=b"new")
    s3.put_object(Bucket=own_bucket, Key="emptied", Body=b"")
    s3.delete_object(Bucket=own_bucket, Key="deleted")
    s3.copy_object(
        Bucket=own_bucket,
        Key="copy of it",
        CopySource={"Bucket": own_bucket, "Key": "copied"},
        Metadata={"a": "b"},
        MetadataDirective="REPLACE",
    )
    s3.delete_objects(
        Bucket=own_bucket, Delete={"Objects": [{"Key": "batch-1"}, {"Key": "batch-2"}, {"Key": "batch <&> 3"}], "Quiet": True}
    )
    s3.put_object_tagging(Bucket=own_bucket, Key="tagged", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    body = os.urandom(11 * MB)
    s3.upload_fileobj(io.BytesIO(body), own_bucket, "parts", Config=TransferConfig(multipart_threshold=5 * MB, multipart_chunksize=5 * MB))
    etag = s3.head_object(Bucket=own_bucket, Key="parts")["ETag"]
    assert etag.endswith('-3"')
    aborted = s3.create_multipart_upload(Bucket=own_bucket, Key="aborted")["UploadId"]
    s3.upload_part(Bucket=own_bucket, Key="aborted", UploadId=aborted, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(Bucket=own_bucket, Key="aborted", UploadId=aborted)
    unfinished = s3.create_multipart_upload(Bucket=own_bucket, Key="unfinished")["UploadId"]
    s3.upload_part(Bucket=own_bucket, Key="unfinished", UploadId=unfinished, PartNumber=1, Body=b"x")

    local.restart()
    assert local.keys(own_bucket) == ["copied", "copy of it", "emptied", "overwritten", "parts", "tagged"]
    assert local.body(own_bucket, "overwritten") == b"new"
    assert local.body(own_bucket, "emptied") == b""
    assert local.body(own_bucket, "copy of it") == b"old"
    assert s3.head_object(Bucket=own_bucket, Key="copy of it")["Metadata"] == {"a": "b"}
    assert local.body(own_bucket, "parts") == body
    assert s3.head_object(Bucket=own_bucket, Key="parts")["ETag"] == etag
    assert s3.get_object_tagging(Bucket=own_bucket, Key="tagged")["TagSet"] == [{"Key": "a", "Value": "b"}]


def test_what_was_restored_can_be_changed_and_survives_again(local: Local, own_bucket: str) -> None:
    for key in ("kept", "overwritten", "deleted", "copied"):
        local.s3.put_object(Bucket=own_bucket, Key=key, Body=key.encode() * 1000)
    local.restart()
    local.s3.put_object(Bucket=own_bucket, Key="overwritten", Body=b"anew")
    local.s3.delete_object(Bucket=own_bucket, Key="deleted")
    local.s3.copy_object(Bucket=own_bucket, Key="copy", CopySource={"Bucket": own_bucket, "Key": "copied"})
    local.restart()
    assert {key: local.body(own_bucket, key) for key in local.keys(own_bucket)} == {
        "kept": b"kept" * 1000,
        "overwritten": b"anew",
        "copied": b"copied" * 1000,
        "copy": b"copied" * 1000,
    }


def test_a_bucket_that_was_deleted_stays_deleted(local: Local, own_bucket: str) -> None:
    local.s3.put_object(Bucket=own_bucket, Key="k", Body=b"1")
    with pytest.raises(ClientError) as caught:
        local.s3.delete_bucket(Bucket=own_bucket)
    assert refusal(caught) == "BucketNotEmpty"
    local.s3.delete_object(Bucket=own_bucket, Key="k")
    local.s3.delete_bucket(Bucket=own_bucket)
    local.restart()
    assert own_bucket not in {bucket["Name"] for bucket in local.s3.list_buckets()["Buckets"]}
    local.s3.create_bucket(Bucket=own_bucket)
    assert local.keys(own_bucket) == []


def test_odd_keys_are_told_apart_and_stay_inside_their_folder(local: Local, own_bucket: str) -> None:
    outside = {path for path in local.folder.parent.rglob("*") if not path.is_relative_to(local.folder / own_bucket)}
    for n, key in enumerate(ODD_KEYS):
        local.s3.put_object(Bucket=own_bucket, Key=key, Body=str(n).encode())
    for _ in range(2):
        assert local.keys(own_bucket) == sorted(ODD_KEYS)
        assert {key: local.body(own_bucket, key) for key in ODD_KEYS} == {key: str(n).encode() for n, key in enumerate(ODD_KEYS)}
        local.restart()
    assert {path for path in local.folder.parent.rglob("*") if not path.is_relative_to(local.folder / own_bucket)} == outside
    files = [path.name for path in (local.folder / own_bucket).iterdir() if path.name != ".bucket"]
    assert len({name.lower() for name in files}) == len(ODD_KEYS)
    local.s3.delete_objects(Bucket=own_bucket, Delete={"Objects": [{"Key": key} for key in ODD_KEYS if "\t" not in key]})
    local.s3.delete_object(Bucket=own_bucket, Key="tab\tand\u00a0nbsp")
    local.restart()
    assert local.keys(own_bucket) == []
    assert [path.name for path in (local.folder / own_bucket).iterdir()] == [".bucket"]


# ---- what must not


@pytest.mark.parametrize("ends", ["the client", "the server"])
def test_half_a_put_is_no_object(local: Local, own_bucket: str, ends: str) -> None:
    local.s3.put_object(Bucket=own_bucket, Key="k", Body=b"whole")
    head = f"PUT /{own_bucket}/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", local.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"x" * 500_000)
        if ends == "the server":
            local.kill()
        else:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    local.start()
    assert local.body(own_bucket, "k") == b"whole"
    local.restart()
    assert local.body(own_bucket, "k") == b"whole"


def test_what_a_kill_left_half_written_is_removed(local: Local, own_bucket: str) -> None:
    local.s3.put_object(Bucket=own_bucket, Key="k", Body=b"whole")
    local.kill()
    half = local.folder / own_bucket / ".new-1-1"
    half.write_bytes(b"half")
    (local.folder / ".gone-1-1").mkdir()
    (local.folder / "no-bucket-yet").mkdir()
    local.start()
    assert local.keys(own_bucket) == ["k"]
    assert not half.exists()
    assert not (local.folder / ".gone-1-1").exists()
    assert "no-bucket-yet" not in {bucket["Name"] for bucket in local.s3.list_buckets()["Buckets"]}


def test_a_file_that_is_not_whole_is_set_aside_and_keeps_nothing_else_from_being_restored(local: Local, own_bucket: str) -> None:
    for key in ("cut", "emptied", "kept"):
        local.s3.put_object(Bucket=own_bucket, Key=key, Body=b"x" * 1000)
    local.kill()
    cut, emptied = local.folder / own_bucket / "cut", local.folder / own_bucket / "emptied"
    cut.write_bytes(cut.read_bytes()[:-5])
    emptied.write_bytes(b"")
    local.start()
    assert local.keys(own_bucket) == ["kept"]
    assert "is not a whole object" in (local.stack.home / "log" / "aws.log").read_text()
    assert (local.folder / own_bucket / ".damaged-cut").exists()


def test_acknowledged_objects_survive_a_kill_in_the_middle_of_many_writers(local: Local, own_bucket: str) -> None:
    acknowledged: dict[str, bytes] = {}
    written = threading.Event()

    def write(writer: int) -> None:
        for n in range(10_000):
            key, body = f"{writer}/{n}", os.urandom(2000)
            try:
                local.s3.put_object(Bucket=own_bucket, Key=key, Body=body)
            except Exception:  # noqa: BLE001 -- however the kill shows itself, this writer's work ends there
                return
            acknowledged[key] = body
            if len(acknowledged) > 60:
                written.set()

    writers = [threading.Thread(target=write, args=[n]) for n in range(4)]
    for writer in writers:
        writer.start()
    assert written.wait(60)
    local.kill()
    for writer in writers:
        writer.join(60)
    local.start()
    assert {key: local.body(own_bucket, key) for key in acknowledged} == acknowledged
    # A write that was cut off before its acknowledgement may be there too, one for each writer at most, and then whole.
    extra = set(local.keys(own_bucket)) - set(acknowledged)
    assert len(extra) <= 4
    assert all(len(local.body(own_bucket, key)) == 2000 for key in extra)


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
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 501 " in said
    assert b"takes no uploads by form" in said


def test_other_services_answer_at_the_same_address(local: Local) -> None:
    told = local.stack.client_environ()
    common = {
        "endpoint_url": told["AWS_ENDPOINT_URL"],
        "aws_access_key_id": "x",
        "aws_secret_access_key": "x",
        "region_name": told["AWS_DEFAULT_REGION"],
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
