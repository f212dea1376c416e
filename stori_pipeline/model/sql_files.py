"""The text of a SQL file, as editors of any system write it.

Belongs here: the encoding. Does not belong here: what the text means (`report`, `sql_check`).
"""

from __future__ import annotations

from pathlib import Path

from stori_pipeline.model.errors import DefinitionError


def sql_text(file: Path, path: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark. `path` names it in errors.

    Raises:
        DefinitionError: the file is in another encoding.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{path}: it is not UTF-8 at byte {error.start}; save it as UTF-8") from None
