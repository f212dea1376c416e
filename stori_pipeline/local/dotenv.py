"""Writing `.env`, through which a laptop tells the pipeline its addresses.

Belongs here: that file's syntax and keeping what a person put in it. Does not belong here: what the values are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from redshift_local.embedded.files import write_atomically

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")


def write_env(path: Path, environ: Mapping[str, str]) -> None:
    """Put `environ` into the dotenv file at `path`, for the owner's eyes only; lines about other names stay as they are.

    The file is replaced in one step: a reader finds the old one or the new one.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if not ((match := _ASSIGNMENT.match(line)) and match[1] in environ)]
    written = [f"{name}={_quoted(value)}" for name, value in environ.items()]
    write_atomically(path, "".join(f"{line}\n" for line in [*kept, *written]).encode())


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
