"""Golden files: texts that a test compares exactly, and that `make golden` rewrites so that a person reads the diff."""

from __future__ import annotations

import os
from pathlib import Path


def check(path: Path, text: str) -> None:
    """The file at `path` holds exactly this text. With GOLDEN=rewrite in the environment, it does afterwards."""
    if os.environ.get("GOLDEN") == "rewrite":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path} is missing: write it with `make golden` and read it"
    assert path.read_text() == text, f"{path} differs: if that is meant, `make golden` and read the diff"
