"""Writes `.env`, from which the pipeline reads its settings on a laptop.

Belongs here: the syntax of the file, and keeping the user's own lines. Does not belong here: the values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from redshift_local.embedded.files import write_atomically

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")


def write_env(path: Path, environ: Mapping[str, str]) -> None:
    """Write `environ` into the dotenv file at `path`, with mode 0600. Lines about other names stay.

    The file is replaced atomically: a reader gets either the old or the new one.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if not ((match := _ASSIGNMENT.match(line)) and match[1] in environ)]
    written = [f"{name}={_quoted(value)}" for name, value in environ.items()]
    write_atomically(path, "".join(f"{line}\n" for line in [*kept, *written]).encode())


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
