"""Connections to a MongoDB server, and the translation of its errors into SourceErrors.

Belongs here: clients with timeouts, the decoding of BSON, and the meaning of the server's errors. Does not belong here: what is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidBSON
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ConfigurationError, ConnectionFailure, ExecutionTimeout, InvalidName, InvalidURI, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable
from stori_pipeline.settings.addresses import ESCAPES, is_unescaped

Document = dict[str, Any]

CODEC: CodecOptions[Document] = CodecOptions(
    document_class=dict,
    tz_aware=True,
    # A date beyond Python's years, or text that is not UTF-8, must reject its own row only, not the whole batch.
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="surrogateescape",
)


def decoded(raw: bytes) -> list[Document]:
    """The documents of a reply. One that the driver cannot decode is a document with `UNREADABLE` alone: its bytes, and why."""
    try:
        return bson.decode_all(raw, CODEC)
    except Exception:  # noqa: BLE001  (the driver has no list of what a value makes it raise)
        return [_decoded_alone(each) for each in _each(raw)]


UNREADABLE = "$unreadable"
"""The member of a document that could not be decoded. No field of MongoDB can have such a name beside an `_id`."""


def _each(raw: bytes) -> Iterator[bytes]:
    """The bytes of each document; a document begins with its length."""
    start = 0
    while start < len(raw):
        end = start + max(int.from_bytes(raw[start : start + 4], "little"), 5)
        yield raw[start:end]
        start = end


def _decoded_alone(raw: bytes) -> Document:
    try:
        return bson.decode(raw, CODEC)
    except Exception as error:  # noqa: BLE001
        return {"_id": None, UNREADABLE: [raw, f"{type(error).__name__}: {error}"]}


_OPTIONS: dict[str, Any] = {
    "appname": "stori_pipeline",
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 120_000,
}
SCAN_MS = 3_600_000
"""The time limit of one scan on the server, in milliseconds."""

# By the server's error codes: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_NO_CHANGE_STREAMS = 40573
_TRANSIENT = {6, 7, 43, 64, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11601, 11602, 13435, 13436}
_UNKNOWN_TOKEN = {9, 40647, 50811, 136, 222, 234, 260, 280, 286, 10334}
"""Codes for a resume token that is malformed, from another stream, or older than the oplog; 10334 is an event too large to send."""
_FORBIDDEN = {13, 18}


@dataclass(frozen=True)
class Connection:
    """A database, and its place for errors: the table, host and port, never a user or a password."""

    database: Database[Document]
    where: str

    @contextmanager
    def translated(self, *, resuming: bool = False) -> Iterator[None]:
        """Translates the driver's errors into SourceErrors. `resuming`: whether the reading continues from a position."""
        try:
            yield
        except OperationFailure as error:
            raise _of_failure(self.where, error, resuming=resuming) from error
        except ConnectionFailure as error:
            message = _brief(error)
            raise SourceUnavailable(
                f"{self.where}: the server cannot be reached: {message}. Is it running, and the address right?"
            ) from error
        except (PyMongoError, InvalidBSON) as error:
            raise SourceError(f"{self.where}: {_brief(error)}") from error


@contextmanager
def opened(url: str, table: str, source: str) -> Iterator[Connection]:
    """The database that the source's address names. `table` and `source` are the names in errors.

    Raises:
        SourceUnavailable, SourceError: for any error of the driver inside the context.
    """
    try:
        if is_unescaped(url):
            raise InvalidURI  # noqa: TRY301  (the driver takes some of them, with a part of the password as the host)
        parsed = parse_uri(url)
        # The address's own options win.
        options = {name: value for name, value in _OPTIONS.items() if name not in parsed["options"]}
        client: MongoClient[Document] = MongoClient(url, **options)
    except (InvalidURI, ConfigurationError, InvalidName, ValueError):
        # The driver's message may contain the address with its password, so this one does not quote it.
        raise SourceError(
            f"{table}: the address of the source {source!r} is not one that MongoDB's driver understands; "
            f"it should look like mongodb://reader:…@host:27017/database; {ESCAPES}"
        ) from None
    try:
        if not parsed["database"]:
            raise SourceError(f"{table}: the address of the source {source!r} names no database; add it as /database")
        hosts = ", ".join(f"{host}:{port}" if port else str(host) for host, port in parsed["nodelist"])
        connection = Connection(client.get_database(parsed["database"], codec_options=CODEC), f"{table} at {hosts}")
        with connection.translated():
            yield connection
    finally:
        client.close()


def _of_failure(where: str, error: OperationFailure, *, resuming: bool) -> SourceError:
    code, message = error.code, _brief(error)
    if code == _NO_CHANGE_STREAMS:
        return SourceError(
            f"{where}: this server has no change streams, because it is not part of a replica set. Start one (rs.initiate()), "
            "or write changes=Cursor(column) in the definition"
        )
    if code in _TRANSIENT or isinstance(error, ExecutionTimeout) or error.has_error_label("ResumableChangeStreamError"):
        return SourceUnavailable(f"{where}: the server could not answer just now: {message}")
    if resuming and code in _UNKNOWN_TOKEN:
        return PositionLost(f"{where}: the server cannot continue from the position ({message}); a new generation must be read")
    if code in _FORBIDDEN:
        return SourceError(f"{where}: the server refuses the reader: {message}. Its user needs the role `read` on the database")
    return SourceError(f"{where}: the server refused: {message}")


def _brief(error: Exception) -> str:
    """The driver's message without the description of the topology that it appends."""
    return str(error).partition(", full error:")[0].partition(", Timeout:")[0].partition(" (configured timeouts:")[0]


def committed(database: Database[Document], table: Table) -> Collection[Document]:
    """The table's collection with read concern "majority", which never returns a write that may be rolled back."""
    return database.get_collection(table.name_in_source, read_concern=ReadConcern("majority"))


def identity(database: Database[Document], table: Table, session: ClientSession | None = None) -> str:
    """The collection's UUID, which differs if the collection is created again or is on another server; "" for a view.

    Raises:
        SourceError: there is no such collection. It is not an empty one: nobody knows whether its name is right.
    """
    for collection in database.list_collections(session=session, filter={"name": table.name_in_source}):
        uuid = collection.get("info", {}).get("uuid")
        return bytes(uuid).hex() if uuid else ""
    others = sorted(name for name in database.list_collection_names(session=session) if not name.startswith("system."))
    raise SourceError(
        f"{table.full_name}: there is no collection {table.name_in_source!r} in the database {database.name!r}; it has "
        f"{', '.join(map(repr, others[:20])) or 'none'}. Correct source_name in the definition, or create the collection: MongoDB does so "
        "with its first document"
    )


def existing_collection(database: Database[Document], table: Table) -> Collection[Document]:
    """The table's collection. Raises SourceError if it does not exist."""
    identity(database, table)
    return database[table.name_in_source]
