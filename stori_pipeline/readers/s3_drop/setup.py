"""Trying the connection to a bucket, for `stori add source`.

Belongs here: what the source answers about itself. Does not belong here: its files' columns (`sampling`).
"""

from __future__ import annotations

from stori_pipeline.readers.s3_drop.bucket import Bucket


def describe(url: str, source: str) -> str:
    """See `readers.Reader.describe`."""
    bucket = Bucket(url, source, source)
    folders, files = bucket.top()
    return f"bucket {bucket.name}: {len(files)} files at its top, and the folders {', '.join(map(repr, folders)) or '(none yet)'}"
