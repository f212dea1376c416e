"""A source database in an encoding of its own.

Belongs here: creating and dropping one. Does not belong here: what is in it (the tests).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import execute

READABLE = "GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"


@contextmanager
def encoded_database(sources: Stack, encoding: str) -> Iterator[SourceDatabase]:
    """An empty database in that encoding, gone after the block. Its owner's session is in UTF-8 in any case."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    sources.create_source_database(name)
    server = sources.postgres_url("sources", "postgres", "postgres")
    execute(server, f"DROP DATABASE {name}", autocommit=True)
    locale = "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
    execute(server, f"CREATE DATABASE {name} ENCODING '{encoding}' {locale} TEMPLATE template0", autocommit=True)
    superuser = f"{sources.postgres_url('sources', 'postgres', name)}?client_encoding=UTF8"
    yield SourceDatabase(name, superuser, sources.postgres_url("sources", "reader", name), superuser)
    sources.drop_source_database(name)
