"""A kind of source from outside the platform: a shared folder with a folder for each table, and a JSON file for each row.

Belongs here: what `readers.SourceKind` requires of a kind's package. Does not belong here: reading (`reader`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stori_pipeline.model.changes import Changes

if TYPE_CHECKING:
    from stori_pipeline.readers import Reader


@dataclass(frozen=True)
class RowFiles(Changes):
    """Reads the files that are new, changed or removed, by their content."""

    sees_deletes: ClassVar[bool] = True


CHANGES = (RowFiles,)
URL_PREFIXES = ("json-folder://",)
EXAMPLE_URL = "json-folder://USER:PASSWORD@HOST/FOLDER"
GRANTS = "The folder must be mounted, and the pipeline must be able to read it."


def reader_at(url: str) -> Reader:
    """The reader of `json-folder://user:password@host/mounted/folder`."""
    from stori_pipeline_tests.readers.json_folder.reader import JsonFolderReader

    return JsonFolderReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`."""
    from stori_pipeline_tests.readers.json_folder.reader import scaffold

    return scaffold(url, name, source=source)
