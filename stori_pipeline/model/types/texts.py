"""Texts, and booleans, which Postgres writes as a letter.

Belongs here: those types. Does not belong here: JSON (`documents`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from stori_pipeline.imports import later
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.types.documents import document_text
from stori_pipeline.model.types.misfit import VAST_BITS, MisfitError, shown, wrong_type
from stori_pipeline.model.types.type import ANY, SuggestedFor, Type, register

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    pa = later("pyarrow")
    pc = later("pyarrow.compute")

MAX_BYTES = 65_535
"""The length of the longest varchar."""


def _to_boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("t", "true", "f", "false"):
        return value[0] in "tT"
    raise wrong_type(value, "boolean")


boolean = register(
    Type(
        name="boolean",
        arrow=lambda: pa.bool_(),
        redshift="BOOLEAN",
        convert=_to_boolean,
        natives=frozenset({bool}),
        text_form=r"^[tf]$",
        from_texts=lambda texts: pc.equal(texts, "t"),
        copy_form="",
        canonical=lambda value: "t" if value else "f",
        canonical_sql=lambda x, _: f"CASE WHEN {x} THEN 't' WHEN NOT {x} THEN 'f' END",
        roles=frozenset({"key", "sortkey", "distkey"}),
        postgres={"boolean": "{x}"},
        of_arrow=lambda arrow: () if pa.types.is_boolean(arrow) else None,
        suggested_for=SuggestedFor(
            postgres={"boolean": "boolean"},
            arrow=lambda arrow: "boolean" if pa.types.is_boolean(arrow) else "",
            natives={bool: "boolean"},
            texts={r"\s*(?i:true|false)\s*": "boolean"},
        ),
        docs="true or false",
    )
)


def varchar(length: int) -> Type:
    """Text of at most `length` **bytes** of UTF-8 (1 to 65,535), as Redshift counts them."""
    if not 1 <= length <= MAX_BYTES:
        raise DefinitionError(f"varchar({length}): Redshift takes 1 to 65535 bytes; for longer documents use super_")
    return Type(
        name=f"varchar({length})",
        arrow=lambda: pa.string(),
        redshift=f"VARCHAR({length})",
        max_bytes=length,
        convert=_to_text(f"varchar({length})", length),
        natives=frozenset({str}),
        fits=_storable(length),
        copy_form="",
        canonical=lambda value: hashlib.md5(value.encode(), usedforsecurity=False).hexdigest(),
        # A checksum is over UTF-8, and a database may have another encoding.
        canonical_sql=lambda x, engine: f"MD5(CONVERT_TO({x}, 'UTF8'))" if engine == "postgres" else f"MD5({x})",
        roles=frozenset({"key", "sortkey", "distkey"}),
        is_text=True,
        postgres={"text": "{x}", "character varying": "{x}", ANY: "{x}::text"},
        of_arrow=lambda arrow: (MAX_BYTES,) if _is_text(arrow) else None,
        suggested_for=SuggestedFor(postgres={"uuid": "varchar(36)"}, arrow=_for_arrow, natives={bytes: f"varchar({MAX_BYTES})"}),
        catalog_name=f"character varying({length})",
        docs="text, of at most so many bytes of UTF-8",
    )


def _for_arrow(arrow: pa.DataType) -> str:
    # Bytes are read as their base64.
    is_bytes = pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow) or pa.types.is_fixed_size_binary(arrow)
    return f"varchar({MAX_BYTES})" if is_bytes or _is_text(arrow) else ""


def _is_text(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow))


def _storable(length: int) -> Callable[[pa.Array], bool]:
    def fits(array: pa.Array) -> bool:
        longest = pc.max(pc.binary_length(array)).as_py()
        return (longest is None or longest <= length) and not pc.any(pc.match_substring(array, "\0")).as_py()

    return fits


def _to_text(name: str, max_bytes: int) -> Callable[[Any], str]:
    def convert(value: object) -> str:
        text = _as_text(value, name)
        if "\0" in text:
            raise MisfitError("nul", f"{shown(text)} has a NUL character")
        try:
            length = len(text.encode())
        except UnicodeEncodeError as error:
            raise MisfitError("unicode", f"{shown(text)} is not valid Unicode: {error.reason}") from None
        if length > max_bytes:
            raise MisfitError("too_long", f"{length} bytes, but {name} holds {max_bytes}")
        return text

    return convert


def _as_text(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= VAST_BITS else hex(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 100 else str(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (dict, list, tuple)):
        return document_text(value)
    raise wrong_type(value, name)


register(varchar(64), varchar)
