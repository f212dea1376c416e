"""COPY t FROM 's3://...' FORMAT AS PARQUET: its options, and which of them Redshift accepts for Parquet.

Belongs here: the grammar. Does not belong here: loading (`load.copy`), and other formats, which the local Redshift does not support.
Credentials are parsed and not stored: the local Redshift reads S3 with its own, and a secret in a parsed statement could be logged.
"""

from __future__ import annotations

from dataclasses import dataclass

from redshift_local.sql.cursor import Cursor
from redshift_local.sql.dialect import words
from redshift_local.sql.refusals import refused, syntax, unsupported


@dataclass(frozen=True)
class Copy:
    """A COPY of Parquet with valid options. `columns` is None if there is no column list."""

    table: tuple[str | None, str]
    columns: tuple[str, ...] | None
    url: str
    manifest: bool = False
    fillrecord: bool = False
    acceptinvchars: bool = False
    serializetojson: bool = False
    explicit_ids: bool = False


NOT_WITH_PARQUET = words("""
    region maxerror acceptanydate ignoreallerrors truncatecolumns dateformat timeformat emptyasnull blanksasnull ignoreheader
    delimiter quote escape fixedwidth removequotes trimblanks roundec ignoreblanklines null gzip bzip2 lzop zstd compupdate comprows
    noload encoding encrypted master_symmetric_key readratio ssh filldelimited
""")
"""Options of other formats. Redshift refuses them for Parquet, and names the option."""

OTHER_FORMATS = frozenset(["csv", "json", "avro", "orc", "shapefile"])


def parse_copy(cursor: Cursor) -> Copy:
    """Parse the statement, with the cursor after the word COPY.

    Raises:
        RedshiftError: Redshift refuses an option for Parquet; 0A000 for a format or a source that only a cluster loads.
    """
    table = cursor.table()
    columns = cursor.names() if cursor.peek("(") else None
    cursor.expect("from")
    if cursor.peek("stdin"):
        raise syntax("stdin", "Redshift copies from S3, not from the client.")
    url = cursor.take("string")
    flags: dict[str, bool] = {}
    parquet = authorized = False
    while cursor.current.kind != "end":
        if cursor.one_of("iam_role", "credentials", "access_key_id", "secret_access_key", "session_token"):
            _credentials(cursor)
            authorized = True
        elif _format(cursor):
            parquet = True
        else:
            _option(cursor, flags)
    if not parquet:
        raise unsupported("COPY of a format other than Parquet", "Write FORMAT AS PARQUET.")
    if not authorized:
        raise refused("XX000", "CREDENTIALS argument is required but not supplied", "Add IAM_ROLE 'arn:aws:iam::<account>:role/<role>'.")
    if not url.startswith("s3://"):
        raise unsupported("COPY from a source other than S3")
    for name in flags:
        if name in NOT_WITH_PARQUET:
            raise refused("0A000", f"{name.upper()} argument is not supported for PARQUET based COPY")
    return Copy(table, columns, url, **{name: value for name, value in flags.items() if name != "statupdate"})


def _credentials(cursor: Cursor) -> None:
    cursor.one_of("as")
    if not cursor.accept("default"):
        cursor.take("string")


def _format(cursor: Cursor) -> bool:
    named = cursor.accept("format")
    if named:
        cursor.accept("as")
    if cursor.accept("parquet"):
        return True
    if named or cursor.current.text in OTHER_FORMATS:
        raise unsupported(f"COPY of {cursor.current.text.upper()}", "The local Redshift loads Parquet.")
    return False


_PLAIN_FLAGS = ("manifest", "fillrecord", "serializetojson", "explicit_ids")


def _option(cursor: Cursor, flags: dict[str, bool]) -> None:
    name = cursor.current.text if cursor.current.kind == "word" else ""
    cursor.position += 1
    if name in _PLAIN_FLAGS:
        flags[name] = True
    elif name == "acceptinvchars":
        flags[name] = True
        cursor.accept("as")
        if cursor.current.kind == "string" and cursor.take("string") != "?":
            raise unsupported("ACCEPTINVCHARS with a replacement other than '?'")
    elif name == "statupdate":
        flags[name] = cursor.one_of("on", "off", "true", "false") in ("", "on", "true")
    elif name in NOT_WITH_PARQUET:
        flags[name] = True
        cursor.one_of("as")
        if cursor.current.kind in ("string", "number") or cursor.peek("on") or cursor.peek("off"):
            cursor.position += 1
    else:
        cursor.position -= 1
        raise cursor.error()
