"""Doubles and documents are compared as they are: two have one canonical text exactly if they are equal, in Python and in both engines."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stori_pipeline import model
from stori_pipeline.model.row_checksum import Dialect, canonical, canonical_sql, seen
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import Engine
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.model.types.numbers import MAX_DOUBLE
from stori_pipeline_tests.conftest import SourceDatabase

DOUBLE, DOCUMENT = Column("value", model.double), Column("value", model.super_)

DOUBLES = st.floats(-MAX_DOUBLE, MAX_DOUBLE, exclude_min=True, exclude_max=True) | st.floats(-1000, 1000)
EDGES = [0.0, -0.0, 1e-11, 0.1 + 0.2, 0.3, 1 / 3, 5e-324, -5e-324, 2.2250738585072014e-308, math.nextafter(MAX_DOUBLE, 0)]
EDGES += [near for band in range(-21, 2) for edge in (math.ldexp(1.0, max(-1074, 52 * band)),) for near in (edge, -edge)]
EDGES += [math.nextafter(edge, to) for edge in EDGES[10:] for to in (-math.inf, math.inf)]

# Words that the SQL replaces, and characters that separate tokens, in names and in texts.
_WORDS = st.lists(st.sampled_from(["a", " ", "null", "1e9", "1e_", "1e", "_", "9", ", ", ": ", '"', "\\", "\n", "ż"]), max_size=6).map(
    "".join
)
_TEXTS = _WORDS | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e300, 1e300) | _TEXTS
DOCUMENTS = st.recursive(_VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4), max_leaves=8)


@given(DOUBLES, DOUBLES)
@example(1e-11, 0.0)
@example(0.1 + 0.2, 0.3)
@example(-0.0, 0.0)
@example(5e-324, 0.0)
def test_two_doubles_have_one_text_only_if_they_are_equal(one: float, other: float) -> None:
    for near in (other, one, math.nextafter(one, math.inf)):
        assert (canonical(DOUBLE, one) == canonical(DOUBLE, near)) == (one == near)


@given(DOUBLES)
def test_a_double_is_shown_with_all_its_digits(value: float) -> None:
    assert float(seen(DOUBLE, value) or "") == value


@given(DOCUMENTS, DOCUMENTS)
@example({"a": "a b  c"}, {"a": "abc"})
@example({"a b": None}, {"ab": None})
@example([None], ["null"])
def test_two_documents_have_one_text_only_if_they_are_equal(one: Any, other: Any) -> None:
    texts = [None if document is None else json_text(document).encode() for document in (one, other)]
    assert (canonical(DOCUMENT, texts[0]) == canonical(DOCUMENT, texts[1])) == (texts[0] == texts[1])


@given(DOCUMENTS)
def test_space_between_the_tokens_of_a_document_means_nothing(document: Any) -> None:
    compact, spaced = (json.dumps(document, separators=each, ensure_ascii=False).encode() for each in ((",", ":"), (" ,\n", "\t: ")))
    assert canonical(DOCUMENT, compact) == canonical(DOCUMENT, spaced)


@pytest.fixture(params=["postgres", "redshift"])
def engine(request: pytest.FixtureRequest) -> tuple[Engine, str]:
    if request.param == "redshift":
        return "redshift", request.getfixturevalue("warehouse_url")
    database: SourceDatabase = request.getfixturevalue("source_db")
    return "postgres", database.admin_url


def _in_engine(engine: tuple[Engine, str], column: Column, expression: str, values: Sequence[Any]) -> list[str]:
    """The canonical text of each value, computed by the engine. `expression` makes the value from a parameter."""
    name, url = engine
    statement = canonical_sql(column, Dialect(name, lambda _: "v.value", lambda text: text))
    texts: list[str] = []
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for start in range(0, len(values), 200):
            some = values[start : start + 200]
            rows = " UNION ALL ".join(f"SELECT {number} AS number, {expression} AS value" for number in range(len(some)))
            cursor.execute(f"SELECT {statement} FROM ({rows}) AS v ORDER BY v.number", some)
            texts += [text for (text,) in cursor.fetchall()]
    return texts


def test_engines_write_the_text_of_any_double(engine: tuple[Engine, str]) -> None:
    doubles = list(EDGES)
    given(DOUBLES)(lambda each: doubles.append(each))()
    found = _in_engine(engine, DOUBLE, "CAST(CAST(%s AS VARCHAR(32)) AS DOUBLE PRECISION)", [repr(each) for each in doubles])
    assert found == [canonical(DOUBLE, each) for each in doubles]


def test_engines_write_the_text_of_any_document(engine: tuple[Engine, str]) -> None:
    documents: list[Any] = [{"a": "a b  c"}, {"a b": None, "1e9": "1e_9 null, null: 1e__"}, None, "null", "1e9", ": ", {", ": [": "]}]
    given(DOCUMENTS)(lambda each: documents.append(each))()
    texts = [json_text(each) for each in documents]
    parse = "JSON_PARSE(CAST(%s AS VARCHAR(65535)))" if engine[0] == "redshift" else "CAST(%s AS jsonb)"
    assert _in_engine(engine, DOCUMENT, parse, texts) == [canonical(DOCUMENT, text.encode()) for text in texts]
