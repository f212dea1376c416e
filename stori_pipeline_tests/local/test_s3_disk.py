"""What the local S3 keeps over a kill, and what it must not keep; how it answers a request is not looked at here."""

from __future__ import annotations

import io
import os
import socket
import threading

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from stori_pipeline.local.servers import LANDING_BUCKET, PROCESSED_BUCKET
from stori_pipeline_tests.local.local_s3 import Local, refusal

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


def test_an_incomplete_file_is_set_aside_and_the_others_are_restored(local: Local, own_bucket: str) -> None:
    for key in ("cut", "emptied", "kept"):
        local.s3.put_object(Bucket=own_bucket, Key=key, Body=b"x" * 1000)
    local.kill()
    cut, emptied = local.folder / own_bucket / "cut", local.folder / own_bucket / "emptied"
    cut.write_bytes(cut.read_bytes()[:-5])
    emptied.write_bytes(b"")
    local.start()
    assert local.keys(own_bucket) == ["kept"]
    assert "is not a complete object" in (local.stack.home / "log" / "aws.log").read_text()
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
