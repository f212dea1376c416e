"""Databases in other encodings than UTF-8: brought, proved equal, and no row deleted because its text has other bytes there.

Belongs here: what the encoding of a database could change. Does not belong here: kinds of tables (`test_whole_database`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline.model.comparable import ReadsKeys
from stori_pipeline.model.row_checksum import Digest, KeyRange
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.detect_deletes import detect_deletes
from stori_pipeline.readers import reader_for, suggest
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline.verify.proof import prove
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.scaffolded.encoded import READABLE, encoded_database
from stori_pipeline_tests.scaffolded.journeys import brought, defined
from stori_pipeline_tests.stores import Stores

LETTERS = {"LATIN1": "äöüßéÿ", "WIN1252": "äöüß€œ", "EUC_JP": "日本語かなカ", "SQL_ASCII": "äöß€日🚀"}
PLAIN, FOREIGN = 3_000, 300


@dataclass(frozen=True)
class ForeignDatabase:
    source: Source
    owner: str
    reader_url: str

    def table(self, name: str) -> Table:
        return next(
            each for each in defined(self.source, suggest("postgres", self.reader_url, self.source.name).tables) if each.name == name
        )


@pytest.fixture(params=LETTERS)
def foreign(request: pytest.FixtureRequest, sources: Stack, warehouse_url: str) -> Iterator[ForeignDatabase]:
    letters = LETTERS[request.param]
    source = Source(name=f"foreign_{uuid.uuid4().hex[:8]}", kind="postgres", description="A database in another encoding.")
    with encoded_database(sources, request.param) as database:
        execute(
            database.admin_url,
            "CREATE TABLE words (word text PRIMARY KEY, note varchar(40), document jsonb)",
            f"INSERT INTO words SELECT 'word' || n, 'note ' || n, jsonb_build_object('n', n) FROM generate_series(1, {PLAIN}) n",
            f"INSERT INTO words SELECT '{letters}' || n, '{letters}' || n, jsonb_build_object('note', '{letters}')"
            f" FROM generate_series(1, {FOREIGN}) n",
            READABLE,
        )
        yield ForeignDatabase(source, database.admin_url, database.reader_url)
        drop_schemas(warehouse_url, source.name)


def test_no_row_is_deleted_because_its_database_has_another_encoding(foreign: ForeignDatabase, stores: Stores) -> None:
    """Regression: checksums were over the server's bytes, so the mirror's rows with umlauts counted as deleted."""
    words, reader = foreign.table("words"), reader_for("postgres", foreign.reader_url)
    assert brought(words, reader, stores) == PLAIN + FOREIGN
    assert detect_deletes(words, reader, stores.lake, stores.warehouse, run_id="run") is None
    execute(foreign.owner, "DELETE FROM words WHERE word LIKE '%7'", "UPDATE words SET note = 'other' WHERE word LIKE '%8'")
    assert brought(words, reader, stores) == (PLAIN + FOREIGN) * 9 // 10


class _WithWrongChecksums(PostgresReader):
    """A source whose checksums are those of no row: as one with another md5 or encoding would have."""

    def checksums(self, table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
        return {(f"not {key[0]}", *key[1:]): checksum for key, checksum in super().checksums(table, *ranges).items()}

    def digests(self, *args: Any, **named: Any) -> dict[int, Digest]:
        return {bucket: Digest(found.rows, found.checksum + 1) for bucket, found in super().digests(*args, **named).items()}


@pytest.mark.parametrize("foreign", ["LATIN1"], indirect=True)
def test_a_row_is_deleted_only_after_its_source_was_asked_for_its_key(foreign: ForeignDatabase, stores: Stores) -> None:
    """Regression: tombstones were landed for rows that the source had, on the word of a checksum."""
    words = foreign.table("words")
    brought(words, reader_for("postgres", foreign.reader_url), stores)
    wrong = _WithWrongChecksums(foreign.reader_url)
    assert detect_deletes(words, wrong, stores.lake, stores.warehouse, run_id="run", force=True) is None
    execute(foreign.owner, "DELETE FROM words WHERE word IN ('word5', (SELECT max(word) FROM words))")
    manifest = detect_deletes(words, wrong, stores.lake, stores.warehouse, run_id="run", force=True)
    assert manifest is not None
    assert manifest.rows == 2


def _without_a_character(encoding: str) -> str:
    """SQL for a text in that encoding which is none in UTF-8."""
    return {"SQL_ASCII": "chr(252) || 'x'", "WIN1252": "'x' || chr(129)"}[encoding]


@pytest.mark.parametrize("foreign", ["SQL_ASCII", "WIN1252"], indirect=True)
def test_bytes_without_a_character_cost_their_row_and_no_other(
    foreign: ForeignDatabase, stores: Stores, request: pytest.FixtureRequest
) -> None:
    """Regression: one such sequence stopped its table, its proof and its detection of deletes."""
    words, reader = foreign.table("words"), reader_for("postgres", foreign.reader_url)
    bad = _without_a_character(request.node.callspec.params["foreign"])
    execute(
        foreign.owner,
        f"INSERT INTO words VALUES ('bad note', {bad}, NULL), ({bad}, 'bad key', NULL), ('bad document', NULL, to_jsonb({bad}))",
    )
    landed = sync.land(words, reader, stores.lake, run_id="run").manifest
    assert landed is not None
    assert (landed.rows, landed.rejected) == (PLAIN + FOREIGN, 3)
    assert [row["code"] for row in stores.quarantine(landed)] == ["unicode"] * 3
    stores.load(words)
    assert detect_deletes(words, reader, stores.lake, stores.warehouse, run_id="run") is None
    differing = prove(words, reader, stores.lake, stores.warehouse).differing
    why = {each.key: each.why for each in differing}
    assert len(why) == 3
    assert [why[(key,)] for key in ("bad note", "bad document")] == ["in quarantine"] * 2
    assert isinstance(reader, ReadsKeys)
    again = list(reader.read_keys(words, [("bad note",), ("word1",), ("bad document",)]))
    assert [row["word"] for chunk in again for row in chunk.rows.to_pylist()] == ["word1"]
    assert [row["code"] for chunk in again for row in chunk.rejected.to_pylist()] == ["unicode"] * 2
    execute(
        foreign.owner,
        "DELETE FROM words WHERE note = 'bad key' OR word = 'word7'",
        "UPDATE words SET note = 'mended', document = NULL WHERE word LIKE 'bad%'",
    )
    assert brought(words, reader, stores) == PLAIN + FOREIGN - 1 + 2
