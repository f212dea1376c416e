"""Trying the connection to an HTTP API, for `stori add source`.

Belongs here: what the source answers about itself. Does not belong here: its answers (`answers`).
"""

from __future__ import annotations

from stori_pipeline.readers.http_api import RequestLimits
from stori_pipeline.readers.http_api.client import opened


def describe(url: str, source: str) -> str:
    """See `readers.Reader.describe`."""
    with opened(url, source, source, RequestLimits(attempts=2)) as api:
        answer = api.get("")
    return f"it answers {answer.status}" + (" at its root; give `stori scaffold` the path of its rows" if answer.status == 404 else "")
