"""Failures of S3: which error the caller gets, and that nothing counts which was not committed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from stori_pipeline.lake import Lake, LakeError, LakeUnavailable, LandingConflict, Sizes, connect
from stori_pipeline.model.reading import Chunk
from stori_pipeline_tests.lake.gateway import Fate, Gateway, LosesOneAnswer, gateway
from stori_pipeline_tests.readings import MB, TABLE, Given, changes, incompressible, orders, rejected

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def gate(s3: S3Client) -> Iterator[Gateway]:
    with gateway(s3) as proxy:
        yield proxy


def uploads(s3: S3Client, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def objects(s3: S3Client, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


class Endless(Given):
    """A snapshot that is much larger than a piece, and counts how far it was read."""

    read = 0

    def __iter__(self) -> Iterator[Chunk]:
        for i in range(60):
            self.read = i + 1
            yield Chunk(incompressible(i * 20_000, 20_000), rejected())


SMALL = Sizes(group_rows=20_000, piece_bytes=5 * MB)


def test_the_error_of_an_unavailable_s3_names_the_bucket_and_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "unused")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(LakeUnavailable, match=r"s3://harbour/shop/orders/.*S3 does not answer") as caught:
        Lake(connect(), "harbour").newest(TABLE)
    assert type(caught.value.__cause__).__name__ == "GenericError"


def test_a_bucket_that_does_not_exist_is_named_and_not_retried(s3: S3Client) -> None:
    lake = Lake(s3, "no-such-bucket-anywhere")
    with pytest.raises(LakeError, match=r"there is no bucket 'no-such-bucket-anywhere'") as caught:
        lake.newest(TABLE)
    assert not isinstance(caught.value, LakeUnavailable)
    with pytest.raises(LakeError, match=r"there is no bucket 'no-such-bucket-anywhere'"):
        lake.land(TABLE, Given([orders(1, 1)]), newest=None, run_id="r")


def test_a_commit_whose_response_was_lost_succeeds(gate: Gateway, bucket: str) -> None:
    """The client repeats the conditional write and S3 refuses it; that must not look like a conflict."""
    gate.fate = loses = LosesOneAnswer("PUT", "/_manifests/")
    lake = Lake(gate.client(), bucket)
    manifest = lake.land(TABLE, Given([orders(1, 2)]), newest=None, run_id="r")
    assert manifest is not None
    assert manifest == lake.newest(TABLE)
    assert len(loses.lost) == 1
    assert [path for method, path in gate.requests if method == "PUT" and "/_manifests/" in path] == loses.lost * 2


def test_a_conflict_after_a_lost_response_is_a_conflict(gate: Gateway, s3: S3Client, bucket: str) -> None:
    won = Lake(s3, bucket).land(TABLE, Given([orders(1, 2)]), newest=None, run_id="first")
    gate.fate = LosesOneAnswer("PUT", "/_manifests/")
    lake = Lake(gate.client(), bucket)
    with pytest.raises(LandingConflict, match=r"shop\.orders: another run landed batch 1 first"):
        lake.land(TABLE, Given([orders(1, 2)]), newest=None, run_id="second")
    assert lake.newest(TABLE) == won


def test_an_upload_that_fails_on_its_thread_stops_the_landing_and_leaves_nothing(gate: Gateway, s3: S3Client, bucket: str) -> None:
    gate.fate = lambda method, path: "cut" if method == "PUT" and "partNumber=2" in path else "pass"
    lake = Lake(gate.client(), bucket, sizes=SMALL)
    reading = Endless()
    with pytest.raises(LakeUnavailable, match=rf"uploading s3://{bucket}/shop/orders/date=.*S3 does not answer") as caught:
        lake.land(TABLE, reading, newest=None, run_id="r")
    assert caught.value.__cause__ is not None
    assert reading.read < 60, "the source is not read to its end in vain"
    assert lake.newest(TABLE) is None
    assert objects(s3, bucket) == []
    assert uploads(s3, bucket) == []


def test_a_part_of_another_size_than_was_written_is_not_committed(gate: Gateway, s3: S3Client, bucket: str) -> None:
    lake = Lake(gate.client(), bucket)

    def shorten(method: str, path: str) -> Fate:
        if method == "HEAD" and ".parquet" in path:
            s3.put_object(Bucket=bucket, Key=path.split("?")[0].removeprefix(f"/{bucket}/").replace("%3D", "="), Body=b"short")
        return "pass"

    gate.fate = shorten
    with pytest.raises(LakeError, match=r"wrote \d+ bytes but found 5 bytes"):
        lake.land(TABLE, Given([orders(1, 2)]), newest=None, run_id="r")
    assert lake.newest(TABLE) is None


def test_an_upload_whose_completion_response_was_lost_succeeds(gate: Gateway, bucket: str) -> None:
    gate.fate = loses = LosesOneAnswer("POST", "uploadId=")
    lake = Lake(gate.client(), bucket, sizes=SMALL)
    manifest = lake.land(TABLE, Given([incompressible(0, 80_000)]), newest=None, run_id="r")
    assert loses.lost
    assert manifest is not None
    assert lake.live(TABLE).collect().height == 80_000


def test_a_source_that_fails_during_the_reading_lands_nothing(s3: S3Client, bucket: str) -> None:
    class SourceGoneError(Exception):
        pass

    class Breaking(Endless):
        def __iter__(self) -> Iterator[Chunk]:
            for chunk in super().__iter__():
                if self.read > 20:
                    raise SourceGoneError
                yield chunk

    lake = Lake(s3, bucket, sizes=SMALL)
    with pytest.raises(SourceGoneError):
        lake.land(TABLE, Breaking(), newest=None, run_id="r")
    assert lake.newest(TABLE) is None
    assert objects(s3, bucket) == []
    assert uploads(s3, bucket) == []


def test_a_failure_between_parts_and_manifest_keeps_the_position(gate: Gateway, bucket: str) -> None:
    lake = Lake(gate.client(), bucket)
    first = lake.land(TABLE, Given([orders(1, 1)]), newest=None, run_id="r")
    gate.fate = lambda _, path: "cut" if "/_manifests/" in path else "pass"
    with pytest.raises(LakeUnavailable, match=r"committing s3://.*/shop/orders/_manifests/00000002\.json"):
        lake.land(TABLE, changes(orders(2, 1)), newest=first, run_id="r")
    gate.fate = lambda *_: "pass"
    assert lake.newest(TABLE) == first
    second = lake.land(TABLE, changes(orders(2, 1)), newest=first, run_id="r")
    assert second is not None
    assert second.batch == 2
    assert lake.live(TABLE).collect()["id"].sort().to_list() == [1, 2]
