"""Keeping the objects of the local S3 on disk.

Belongs here: the file that an object is, and moving objects between moto's memory and those files. Does not belong here: the S3
protocol, which is moto's, and when an object is saved, which is `aws_server`'s.

An object is one file: its bytes, then a JSON text with everything else there is to know about it, then the length of that text and a
mark. The file gets its name by a rename, so what has the name is whole. Once saved, an object is read from its file: memory holds
what is being transferred and nothing else.

Kept are buckets and objects with their ETags, times, headers, metadata and tags. Not kept are uploads in parts that were never
completed, older versions of an object, and what else a bucket can be configured with.
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

_END = struct.Struct(">Q8s")
_MARK = b"s3object"
_CHUNK = 1024 * 1024
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_=.")
_LONGEST_NAME = 180
_BUCKET_FACTS = ".bucket"  # an object's file name never starts with a point

# What is known of an object besides its bytes, in the names that moto gives it. Each is a text, a number, a flag or nothing.
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
    """Where moto has its buckets."""
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


def file_name(key: str) -> str:
    """A name for an object's file that every file system takes and tells from all others, whatever the key.

    Capitals are written as codes too, since some file systems do not tell them from small letters. Of a key too long for a
    file's name the end becomes a hash; the key itself is in the file.
    """
    raw = key.encode("utf-8", "surrogatepass")
    name = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in raw)
    if name.startswith("."):
        name = "%2e" + name[1:]
    return name if len(name) <= _LONGEST_NAME else f"{name[:100]}~{hashlib.sha256(raw).hexdigest()}"


class SavedBytes:
    """A saved object's bytes, as the buffer in which moto expects them. The file is open only while it is read."""

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
        """There is nothing to close: moto calls this when the object is replaced or deleted."""


class Disk:
    """The buckets under a folder.

    Args:
        root: the folder.
        sync: whether what was saved survives the end of the whole machine, and not only of this process.

    Its methods may be called from several threads, though never for one object by two at once.
    """

    def __init__(self, root: Path, *, sync: bool) -> None:
        self._root = root
        self._sync = sync
        self._serial = itertools.count()

    # ---- from memory to disk

    def save_bucket(self, name: str) -> None:
        """Make the disk agree with memory on whether that bucket exists."""
        folder, bucket = self._root / file_name(name), backend().buckets.get(name)
        if bucket is None:
            if folder.exists():
                # Aside first, in one step, so that no crash can leave half a bucket.
                doomed = self._root / f".gone-{os.getpid()}-{next(self._serial)}"
                folder.rename(doomed)
                shutil.rmtree(doomed)
        elif not (folder / _BUCKET_FACTS).exists():
            folder.mkdir(parents=True, exist_ok=True)
            facts = {"name": name, "region": bucket.region_name, "created": bucket.creation_date.isoformat()}
            self._write(folder / _BUCKET_FACTS, iter([json.dumps(facts).encode()]))
        self._sync_folder(self._root)

    def save(self, bucket_name: str, keys: Iterable[str]) -> None:
        """Make the disk agree with memory on those objects of a bucket: written, rewritten or removed."""
        bucket = backend().buckets.get(bucket_name)
        folder = self._root / file_name(bucket_name)
        if bucket is not None and not folder.exists():
            self.save_bucket(bucket_name)  # one that another of moto's services made
        changed = [key for key in keys if self._save(bucket, folder / file_name(key), key)]
        if changed:
            self._sync_folder(folder)

    def _save(self, bucket: FakeBucket | None, path: Path, name: str) -> bool:
        """Whether there was anything to do."""
        key = bucket.keys.get(name) if bucket else None
        if not isinstance(key, FakeKey):  # it is gone, or what is newest is the mark of a deletion
            was_there = path.exists()
            path.unlink(missing_ok=True)
            return was_there
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
            # moto would keep every part of the upload beside the whole object, in memory.
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
        """Give moto every bucket and object there is, and remove what a crash left half made. Called once, before any request."""
        self._root.mkdir(parents=True, exist_ok=True)
        for folder in self._root.iterdir():
            if folder.name.startswith(".gone-"):
                shutil.rmtree(folder)
            elif not (folder / _BUCKET_FACTS).exists():
                folder.rmdir()  # its creation was cut off before it was acknowledged, so it is empty
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
            # Only the end of the whole machine can do that, where nothing is synced. Kept for a person to look at.
            _log.error("%s is not a whole object; set aside as .damaged-%s", path, path.name)
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
    _ = key.etag  # computes `_etag`, which is else left until someone asks
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
    """The JSON text at the end of an object's file; None where the file is not whole."""
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
