"""Trying the connection to a queue, for `stori add source`.

Belongs here: what the source answers about itself. Does not belong here: its messages' fields (`sampling`).
"""

from __future__ import annotations

from stori_pipeline.readers.sqs.connection import opened


def describe(url: str, source: str) -> str:
    """See `readers.Reader.describe`."""
    return f"a queue with about {opened(url, source, source).waiting()} messages waiting"
