"""Trying the connection to a bucket, for `stori add source`.

Belongs here: what the source answers about itself. Does not belong here: its files' columns (`sampling`).
"""

from __future__ import annotations

from stori_pipeline.readers.s3_drop.bucket import Bucket


def describe(url: str, source: str) -> str:
    """See `readers.Reader.describe`."""
    bucket = Bucket(url, source, source)
    folders = bucket.folders()
    return f"bucket {bucket.name}: files under {', '.join(repr(each) for each in folders) or 'no prefix yet'}"
