"""Encodings of Postgres: Python's tables of characters and the server's are the same ones, since one decodes and the other compares.

Belongs here: single bytes and sequences. Does not belong here: databases in these encodings (`scaffolded.test_encodings`).
"""

from __future__ import annotations

import pytest
from psycopg2 import extensions

from stori_pipeline.readers.postgres.encodings import Encoding, encoding_named, missing_bytes
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import execute

SINGLE = [f"LATIN{n}" for n in range(1, 11)] + [f"WIN{n}" for n in (866, 874, *range(1250, 1259))]
SINGLE += ["ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "KOI8R", "KOI8U"]
_DECODED = """
CREATE FUNCTION pg_temp.decoded(bytes bytea, encoding name) RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN convert_from(bytes, encoding); EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$
"""


def test_every_byte_is_the_same_character_here_and_in_the_server(source_db: SourceDatabase) -> None:
    found = execute(
        source_db.admin_url,
        _DECODED,
        "SELECT encoding, byte, pg_temp.decoded(set_byte('\\x00', 0, byte), encoding::name)"
        " FROM unnest(%s) encoding, generate_series(128, 255) byte",
        parameters=(SINGLE,),
    )
    for name, byte, character in found:
        codec = extensions.encodings[name.replace("_", "")]
        assert bytes([byte]).decode(codec, errors="ignore") == (character or ""), name
        assert (byte in missing_bytes(codec)) == (character is None), name


@pytest.mark.parametrize("name", ["UTF8", "LATIN1", "EUC_JP", "KOI8R"])
def test_the_server_sends_what_it_can_convert(name: str) -> None:
    assert encoding_named(name) == Encoding()
