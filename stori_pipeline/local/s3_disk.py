"""The objects of the local S3 on disk: one file per object, written under a temporary name and renamed when complete.

Belongs here: the format of the file, and moving objects between moto's memory and the files. Does not belong here: S3's protocol, which is
moto's, and when an object is saved (`aws_server`). Saved: buckets, and objects with ETag, times, headers, metadata and tags. Not saved:
incomplete multipart uploads, older versions of objects, and other configuration of buckets.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import shutil
import struct
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeBucket, FakeKey, S3Backend, s3_backends
from moto.utilities.utils import LowercaseDict

_log = logging.getLogger(__name__)

# A file holds the object's bytes, then a JSON text with everything else about the object, then the length of that text and a mark. A saved
# object is read from its file: memory holds only what is being transferred.
_END = struct.Struct(">Q8s")
_MARK = b"s3object"
_CHUNK = 1024 * 1024
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_=.")
_LONGEST_NAME = 180
_BUCKET_FACTS = ".bucket"  # the name of an object's file never starts with a dot

# The attributes of an object, by moto's names. Each is a string, a number, a boolean or None.
_ATTRIBUTES = (
    "_etag",
    "_storage_class",
    "checksum_algorithm",
    "checksum_value",
    "checksum_type",
    "checksum_parts",
    "encryption",
    "kms_key_id",
    "bucket_key_enabled",
    "website_redirect_location",
    "lock_mode",
    "lock_legal_status",
    "lock_until",
)


def backend() -> S3Backend:
    """moto's backend, which holds the buckets."""
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


def file_name(key: str) -> str:
    """A unique file name for an object's key, valid on every file system.

    Capital letters are escaped too, because some file systems ignore case. The end of a long key is replaced by a hash; the whole key is in
    the file.
    """
    raw = key.encode("utf-8", "surrogatepass")
    name = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in raw)
    if name.startswith("."):
        name = "%2e" + name[1:]
    return name if len(name) <= _LONGEST_NAME else f"{name[:100]}~{hashlib.sha256(raw).hexdigest()}"


class SavedBytes:
    """The bytes of a saved object, with the interface of moto's buffers. The file is open only during a read."""

    def __init__(self, path: Path, size: int, facts: bytes) -> None:
        self.path = path
        self.size = size
        self.facts = facts
        self._at = 0

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        left = max(0, self.size - self._at)
        with self.path.open("rb") as file:
            file.seek(self._at)
            content = file.read(left if size < 0 else min(size, left))
        self._at += len(content)
        return content

    def close(self) -> None:
        """Nothing to close; moto calls this when the object is replaced or deleted."""


class Disk:
    """The buckets under a folder.

    Args:
        root: the folder.
        sync: whether a saved object survives a crash of the machine, and not only of this process.

    Several threads may call its methods, but not two at once for the same object.
    """

    def __init__(self, root: Path, *, sync: bool) -> None:
        self._root = root
        self._sync = sync
        self._serial = itertools.count()

    # ---- from memory to disk

    def save_bucket(self, name: str) -> None:
        """Create or delete the bucket on disk, as it is in memory."""
        folder, bucket = self._root / file_name(name), backend().buckets.get(name)
        if bucket is None:
            if folder.exists():
                # Renamed first, which is atomic, so that a crash cannot leave half a bucket.
                doomed = self._root / f".gone-{os.getpid()}-{next(self._serial)}"
                folder.rename(doomed)
                shutil.rmtree(doomed)
        elif not (folder / _BUCKET_FACTS).exists():
            folder.mkdir(parents=True, exist_ok=True)
            facts = {"name": name, "region": bucket.region_name, "created": bucket.creation_date.isoformat()}
            self._write(folder / _BUCKET_FACTS, iter([json.dumps(facts).encode()]))
        self._sync_folder(self._root)

    def save(self, bucket_name: str, keys: Iterable[str]) -> None:
        """Write or delete these objects of a bucket on disk, as they are in memory."""
        bucket = backend().buckets.get(bucket_name)
        folder = self._root / file_name(bucket_name)
        if bucket is not None and not folder.exists():
            self.save_bucket(bucket_name)  # another of moto's services created it
        changed = [key for key in keys if self._save(bucket, folder / file_name(key), key)]
        if changed:
            self._sync_folder(folder)

    def _save(self, bucket: FakeBucket | None, path: Path, name: str) -> bool:
        """Write or delete one object; returns whether the disk changed."""
        key = bucket.keys.get(name) if bucket else None
        if not isinstance(key, FakeKey):  # the object is deleted, or its newest version is a delete marker
            existed = path.exists()
            path.unlink(missing_ok=True)
            return existed
        facts = json.dumps(_facts(key)).encode()
        buffer: Any = key._value_buffer
        if isinstance(buffer, SavedBytes) and buffer.facts == facts:
            return False
        buffer.seek(0)
        content = iter(lambda: buffer.read(_CHUNK), b"")
        self._write(path, itertools.chain(content, [facts, _END.pack(len(facts), _MARK)]))
        key._value_buffer = SavedBytes(path, key.size, facts)  # type: ignore[assignment]  # has what moto calls
        buffer.close()
        if key.multipart is not None:
            # moto would keep every part of the upload in memory, beside the complete object.
            key.multipart.dispose()
            key.multipart = None
        return True

    def _write(self, path: Path, content: Iterable[bytes]) -> None:
        temporary = path.with_name(f".new-{os.getpid()}-{next(self._serial)}")
        try:
            with temporary.open("wb") as file:
                file.writelines(content)
                if self._sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _sync_folder(self, folder: Path) -> None:
        if self._sync and folder.exists():
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    # ---- from disk to memory

    def restore(self) -> None:
        """Load every bucket and object into moto, and delete incomplete ones. Called once, before any request."""
        self._root.mkdir(parents=True, exist_ok=True)
        for folder in self._root.iterdir():
            if folder.name.startswith(".gone-"):
                shutil.rmtree(folder)
            elif not (folder / _BUCKET_FACTS).exists():
                folder.rmdir()  # its creation was interrupted before it was acknowledged, so it is empty
            else:
                self._restore_bucket(folder)

    def _restore_bucket(self, folder: Path) -> None:
        facts = json.loads((folder / _BUCKET_FACTS).read_bytes())
        bucket = backend().create_bucket(facts["name"], facts["region"])
        bucket.creation_date = datetime.fromisoformat(facts["created"])
        for path in folder.iterdir():
            if path.name.startswith(".new-"):
                path.unlink()
            elif not path.name.startswith("."):
                self._restore_object(bucket, path)

    def _restore_object(self, bucket: FakeBucket, path: Path) -> None:
        raw = _read_facts(path)
        if raw is None:
            # Only a crash of the machine can do that, without `sync`. The file is kept for a person to examine.
            _log.error("%s is not a complete object; renamed to .damaged-%s", path, path.name)
            path.rename(path.with_name(f".damaged-{path.name}"))
            return
        facts = json.loads(raw)
        key = FakeKey(facts["name"], b"", bucket.account_id, bucket.region_name, bucket_name=bucket.name, version_id="null")
        key._value_buffer.close()
        key._value_buffer = SavedBytes(path, facts["size"], raw)  # type: ignore[assignment]  # has what moto calls
        key.contentsize = facts["size"]
        key.last_modified = datetime.fromisoformat(facts["last_modified"])
        key._metadata = LowercaseDict(facts["metadata"])
        for name, value in facts["attributes"].items():
            setattr(key, name, value)
        bucket.keys.setlist(key.name, [key])
        if facts["tags"]:
            tagger = backend().tagger
            tagger.tag_resource(key.arn, tagger.convert_dict_to_tags_input(facts["tags"]))


def _facts(key: FakeKey) -> dict[str, Any]:
    attributes = {}
    _ = key.etag  # computes `_etag`, which moto does only on demand
    for name in _ATTRIBUTES:
        value = getattr(key, name)
        attributes[name] = value.decode() if isinstance(value, bytes) else value
    return {
        "name": key.name,
        "size": key.size,
        "last_modified": key.last_modified.isoformat(),
        "metadata": dict(key.metadata),
        "attributes": attributes,
        "tags": backend().tagger.get_tag_dict_for_resource(key.arn),
    }


def _read_facts(path: Path) -> bytes | None:
    """The JSON text at the end of an object's file; None if the file is not complete."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < _END.size:
            return None
        file.seek(size - _END.size)
        length, mark = _END.unpack(file.read(_END.size))
        begin = size - _END.size - length
        if mark != _MARK or begin < 0:
            return None
        file.seek(begin)
        facts = bytes(file.read(length))
    return facts if json.loads(facts)["size"] == begin else None
