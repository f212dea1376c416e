"""Trying the connection to a MongoDB database, for `stori add source`.

Belongs here: what the source answers about itself. Does not belong here: its collections' fields (`sampling`).
"""

from __future__ import annotations

from stori_pipeline.readers.mongo.connection import opened


def describe(url: str, source: str) -> str:
    """See `readers.Reader.describe`."""
    with opened(url, source, source) as connection:
        hello = connection.database.command("hello")
        names = connection.database.list_collection_names(filter={"name": {"$not": {"$regex": "^system[.]"}}})
        name = connection.database.name
    streams = (
        "change streams" if hello.get("setName") or hello.get("msg") == "isdbgrid" else "no change streams, because it is no replica set"
    )
    return f"MongoDB, database {name}: {len(names)} collections; {streams}"
