"""Documents whose `_id`s differ and are one key in the mirror: an ObjectId and its text, or `1` and `"1"`.

Belongs here: noticing them, and the reason by which they go to quarantine. Does not belong here: rows (`documents`), or keys that are no
`_id`, which MongoDB does not keep apart either.
"""

# A key is one column of one type, and an `_id` may be of any. As a rule those of a collection have one type, which its first and its last
# `_id` show: MongoDB sorts by type first. Only where they differ is the collection asked for other documents with the same key. Neither
# document lands then, because each would replace the other, and a delete of one would delete both.

from __future__ import annotations

from collections.abc import Iterable

from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from stori_pipeline.contract import Refused
from stori_pipeline.model.types.misfit import Misfit, MisfitError
from stori_pipeline.readers.mongo.connection import Document
from stori_pipeline.readers.mongo.documents import Documents, extended_json, native

_NUMBERS = ("int", "Int64", "float", "Decimal128")


class SharedKeys:
    """Finds the documents of a collection that share their key with another one. Asks at its first use, and never for a table whose key is
    not `_id`."""

    def __init__(self, collection: Collection[Document], documents: Documents, session: ClientSession | None = None) -> None:
        self._collection, self._documents, self._session = collection, documents, session
        self._type = documents.table[documents.table.key[0]].type
        self._mixed: bool | None = None if documents.own_key and (self._type.is_text or self._type.is_integer) else False

    @property
    def may_be(self) -> bool:
        """Whether the collection has `_id`s of several types."""
        if self._mixed is None:
            ends = [self._end(direction) for direction in (1, -1)]
            self._mixed = len({_kind(end["_id"]) for end in ends if end is not None}) > 1
        return self._mixed

    def _end(self, direction: int) -> Document | None:
        return self._collection.find_one({}, {"_id": 1}, sort=[("_id", direction)], session=self._session)

    def rejected(self, documents: Iterable[Document]) -> dict[str, Refused]:
        """The documents that share their key, by the `repr` of their `_id`."""
        if not self.may_be:
            return {}
        keys = {repr(document["_id"]): (self._key(document["_id"]), document) for document in documents}
        asked = {key for key, _ in keys.values() if key is not None}
        holders: dict[object, set[str]] = {}
        for where in self._documents.holding(_spelled(asked)):
            for other in self._collection.find(where, {"_id": 1}, session=self._session):
                holders.setdefault(self._key(other["_id"]), set()).add(repr(other["_id"]))
        return {
            identifier: self._refused(document, holders[key] - {identifier})
            for identifier, (key, document) in keys.items()
            if key is not None and holders.get(key, set()) - {identifier}
        }

    def _key(self, identifier: object) -> object:
        """What lands as the key; None if the `_id` does not fit."""
        value = native(identifier)
        try:
            return None if value is None or isinstance(value, Misfit) else self._type.convert(value)
        except MisfitError:
            return None

    def _refused(self, document: Document, others: set[str]) -> Refused:
        reason = f"its _id is {document['_id']!r}, which as the key is the same as {', '.join(sorted(others))} of another document"
        return Refused("ambiguous", reason[:1_000], extended_json(document), self._documents.table.key[0])


def _kind(identifier: object) -> str:
    name = type(identifier).__name__
    return "number" if name in _NUMBERS else name


def _spelled(keys: set[object]) -> list[object]:
    """The keys and, of numbers, their texts, too."""
    return [*keys, *(str(key) for key in keys if not isinstance(key, str))]
