"""Whether rows landed unchanged by a suggested definition.

Belongs here: what the tests of all kinds share. Does not belong here: making the rows of a kind (its own tests).
"""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any


def is_same(landed: Any, meant: Any, *, is_document: bool = False) -> bool:
    """Whether a landed value is the source's: equal as a number, an instant, a text or a document. A text in CSV may stand for any of
    these."""
    if meant is None or landed is None:
        return meant is landed
    if is_document:
        return bool(json.loads(landed, parse_float=Decimal) == _plain(meant))
    if isinstance(landed, bool):
        return str(landed).lower() == str(meant).strip().lower()
    if isinstance(landed, (int, float, Decimal)):
        return bool(type(landed)(meant.strip() if isinstance(meant, str) else meant) == landed) and not isinstance(meant, bool)
    if isinstance(landed, datetime):
        return landed == (_instant(meant) if isinstance(meant, str) else meant)
    if isinstance(landed, date):
        return landed.isoformat() == (meant.strip() if isinstance(meant, str) else meant.isoformat())
    if isinstance(meant, (int, float, Decimal)) and not isinstance(meant, bool):
        return repr(meant) == landed or Decimal(landed) == Decimal(repr(meant) if isinstance(meant, float) else meant)
    return bool(landed == (meant if isinstance(meant, str) else _text(meant)))


def _instant(text: str) -> datetime:
    parsed = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00").replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    """A document as its JSON has it."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return Decimal(repr(value))
    return value.isoformat() if isinstance(value, (date, datetime)) else value
