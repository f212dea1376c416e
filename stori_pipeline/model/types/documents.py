"""JSON documents, which Redshift holds as SUPER.

Belongs here: that type, and the form of JSON text that lands and that both engines return. Does not belong here: reading documents
(`readers`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from stori_pipeline.imports import later
from stori_pipeline.model.types.misfit import VAST_BITS, Misfit, MisfitError, shown
from stori_pipeline.model.types.type import ANY, Engine, SuggestedFor, Type, register

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

MAX_DEPTH = 200
"""The largest depth of a document. Redshift accepts 1000 levels, MongoDB 100. Python parses and writes documents recursively; its limit is
between the two and depends on the caller, so this one is fixed."""

MAX_BYTES = 16_000_000


def json_text(value: object) -> str:
    """JSON text in the form that lands and that both engines return: compact, object members in the order of jsonb (shorter names first,
    then by bytes), numbers without an exponent."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda item: (len(str(item[0]).encode()), str(item[0]).encode()))
        return "{" + ",".join(f"{json.dumps(str(k), ensure_ascii=False)}:{json_text(v)}" for k, v in members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        return format(value or abs(value), "f")  # no engine keeps the sign of a zero
    return json.dumps(value, ensure_ascii=False)


def _refuse_deep(value: object) -> None:
    """Goes level by level, because a document with ten thousand levels would exhaust Python's stack."""
    level, depth = [value], 0
    while level := [inner for inner in level if isinstance(inner, (dict, list, tuple))]:
        depth += 1
        if depth > MAX_DEPTH:
            raise MisfitError("too_deep", f"the document is nested deeper than {MAX_DEPTH} levels")
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]


def _scalar(value: object) -> object:
    """A value inside a document as a JSON value: instants, days, UUIDs and bytes (base64) become texts."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise MisfitError("not_finite", f"the document holds {value}, which JSON does not know")
        return value
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise MisfitError("not_finite", f"the document holds {value}, which JSON does not know")
        if abs(value.adjusted()) > 400:
            raise MisfitError("range", f"the document holds {value}, larger or smaller than any double")
        return value
    if isinstance(value, int) and value.bit_length() > VAST_BITS:
        raise MisfitError("range", f"the document holds {shown(value)}")
    if isinstance(value, (str, int, type(None))):
        return value
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, Misfit):
        raise MisfitError(value.code, f"the document holds a value that does not fit: {value.reason}")
    raise MisfitError("type", f"the document holds {shown(value)} ({type(value).__name__}), which JSON does not know")


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return _scalar(value)


_QUICK = {int, float, bool, type(None)}
_compact = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def document_text(value: object) -> str:
    """The JSON text of a document. An array of plain numbers, the most frequent case, takes a faster path to the same text."""
    if isinstance(value, list) and set(map(type, value)) <= _QUICK:
        try:
            text = _compact(value)
        except ValueError:
            text = "e"
        if "e" not in text:  # exponents, true and false, and values that JSON does not have take the slow path
            return text
    _refuse_deep(value)
    try:
        return json_text(_plain(value))
    except RecursionError:
        raise MisfitError("too_deep", "the document is nested too deeply to be written") from None
    except UnicodeEncodeError as error:  # of a member's name
        raise MisfitError("unicode", f"the document is not valid Unicode: {error.reason}") from None


def _refused_constant(name: str) -> None:
    raise MisfitError("not_finite", f"the document holds {name}, which JSON does not know")


def _parsed_document(text: str) -> object:
    try:
        # Numbers keep every digit: 1.10 stays 1.10.
        return json.loads(text, parse_float=Decimal, parse_constant=_refused_constant)
    except MisfitError:
        raise
    except RecursionError:
        raise MisfitError("too_deep", "the document is nested too deeply to be read") from None
    except (ValueError, ArithmeticError) as error:  # a Decimal does not hold every exponent
        raise MisfitError("bad_json", f"{shown(text)} is not JSON: {error}") from None


def _to_json(value: object) -> bytes | None:
    """JSON in UTF-8, in the form of `json_text`. A str or bytes is JSON text, not a JSON string."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            value = bytes(value).decode()
        except UnicodeDecodeError as error:
            raise MisfitError("unicode", f"the document is not UTF-8: {error.reason} at byte {error.start}") from None
    text = document_text(_parsed_document(value) if isinstance(value, str) else value)
    if text == "null":
        return None
    # JSON writes NUL as an escape. The backslash may itself be escaped, so check the values.
    if "\\u0000" in text and "\0" in "".join(_strings(json.loads(text))):
        raise MisfitError("nul", "the document has a NUL character in a text")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise MisfitError("unicode", f"the document is not valid Unicode: {error.reason}") from None
    if len(data) > MAX_BYTES:
        raise MisfitError("too_long", f"{len(data)} bytes of JSON, but super holds {MAX_BYTES}")
    return data


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in _strings(inner))]
    return [text for inner in value for text in _strings(inner)] if isinstance(value, list) else []


_STRING_OR_SPACE = re.compile(rb'("(?:[^"\\]|\\.)*")|\s+')


def _canonical(value: bytes) -> str:
    # Space between tokens means nothing; inside a string it does.
    text = _STRING_OR_SPACE.sub(rb"\1", value)
    return "~" if text == b"null" else hashlib.md5(text, usedforsecurity=False).hexdigest()


def _replaced(x: str, *replacements: tuple[str, str]) -> str:
    for old, new in replacements:
        x = f"replace({x}, '{old}', '{new}')"
    return x


def _compact_in_postgres(x: str) -> str:
    """The text of a jsonb without the spaces that Postgres writes between tokens.

    Of the functions that write JSON without them, only `json_strip_nulls` takes any document; a regular expression takes ten times as long.
    So that it strips no null, each stands for a number meanwhile: 1e9, which jsonb never writes, as its numbers have no exponent. Where a
    string holds that, it is escaped.
    """
    masked = _replaced(f"({x})::text", ("1e_", "1e__"), ("1e9", "1e_9"), ("null", "1e9"))
    return _replaced(f"json_strip_nulls({masked}::json)::text", ("1e9", "null"), ("1e_9", "1e9"), ("1e__", "1e_"))


def _canonical_sql(x: str, engine: Engine) -> str:
    """A checksum is over UTF-8, whatever the encoding of the database. JSON's null counts as null."""
    if engine == "postgres":
        return f"MD5(CONVERT_TO(NULLIF({_compact_in_postgres(x)}, 'null'), 'UTF8'))"
    return f"MD5(NULLIF(JSON_SERIALIZE({x}), 'null'))"


# JSON text, landed as bytes: COPY would load a Parquet string into SUPER as one long string scalar, and JSON_PARSE takes
# documents over 65,535 bytes only from VARBYTE.
super_ = register(
    Type(
        name="super",
        arrow=lambda: pa.binary(),
        redshift="SUPER",
        stage="VARBYTE(16777216)",
        load="JSON_PARSE({})",
        max_bytes=MAX_BYTES,
        convert=_to_json,
        copy_form="",
        canonical=_canonical,
        canonical_sql=_canonical_sql,
        is_document=True,
        in_frames=lambda: pa.string(),
        from_driver=lambda text: document_text(_parsed_document(text)),
        postgres={"jsonb": "{x}", "json": "{x}::jsonb", ANY: "to_jsonb({x})"},
        postgres_valid={"json": "pg_input_is_valid({x}::text, 'jsonb')"},  # json keeps what jsonb refuses, such as \u0000
        suggested_for=SuggestedFor(
            postgres={"json": "super_", "jsonb": "super_", "hstore": "super_"},
            arrow=lambda arrow: "super_" if pa.types.is_nested(arrow) else "",
        ),
        docs="a JSON document; JSON's null counts as null",
    )
)
