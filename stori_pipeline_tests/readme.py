"""The README and the pages under docs as texts, and the examples in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
WAREHOUSE = (ROOT / "docs" / "warehouse.md").read_text()


def example(name: str, page: str = README) -> str:
    """The code block that follows the comment of that name."""
    found = re.findall(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    assert len(found) == 1, f"there are {len(found)} examples called {name!r}"
    return str(found[0])
