"""How a cause is told: what, where, since when, the link, and what to do.

Belongs here: text. Does not belong here: sending it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby
from typing import Any, Literal
from urllib.parse import quote

from stori_pipeline.alerts.causes import Cause, Kind
from stori_pipeline.logs import redacted

FEW = 5
"""Of one kind at one time, so many causes are told each by itself; more of them have one reason, and are told in one message."""

SUBJECT = 100  # characters, the most that SNS takes, and only ASCII
_SHOWN = 50  # tables that a message for many lists
_WORDS = 2_000  # characters of an error; SNS takes 256 kB, Slack 3,000 characters

State = Literal["begun", "over"]

_WHAT: Mapping[Kind, str] = {
    "run_failed": "run failed",
    "load_blocked": "load blocked",
    "freshness": "not fresh",
    "check_failed": "check failed",
    "quarantine": "quarantine over threshold",
}
_TO_DO: Mapping[Kind, str] = {
    "run_failed": "Mend what the error names; the schedule tries again within 20 minutes, and `stori sync {table}` at once.",
    "load_blocked": "Look into the table's quarantine, mend the source or the table's definition, then run `stori sync --full {table}`.",
    "freshness": "See with `stori status` that the servers are up, and in the UI that the schedule runs; then run `stori sync {table}`.",
    "check_failed": "Look at the failing rows on the asset's page; `stori verify {table}` lists where source and mirror differ.",
    "quarantine": "Look into the table's quarantine, mend the source or the table's definition, then run `stori sync --full {table}`.",
}


@dataclass(frozen=True)
class Message:
    """One message. `id` is the same each time that it is sent, so that a receiver can tell a repetition; `to` names the channels that
    have yet to take it."""

    id: str
    state: State
    subject: str
    body: str
    keys: tuple[str, ...]
    to: tuple[str, ...]
    taken: bool = False
    """Whether a channel has taken it already."""

    def as_slack(self) -> dict[str, Any]:
        """What a webhook of Slack's takes, or of anything that takes the same."""
        text = f"*{_escaped(self.subject)}*\n{_escaped(self.body)}"
        return {"text": self.subject, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text[:3_000]}}]}


def compose(causes: Iterable[Cause], state: State, *, to: Sequence[str], ui: str, now: float, pages: Mapping[str, str]) -> list[Message]:
    """A message for each cause, or one for all of a kind that say the same or are many.

    Args:
        pages: full name to the path of its asset in the UI.
    """
    messages = []
    for kind, same_kind in groupby(sorted(causes, key=lambda each: (each.kind, each.words, each.key)), key=lambda each: each.kind):
        all_of_kind = list(same_kind)
        groups = [all_of_kind] if len(all_of_kind) > FEW else [list(g) for _, g in groupby(all_of_kind, key=lambda each: each.words)]
        for group in groups:
            keys = tuple(cause.key for cause in group)
            body = _one(group[0], state, ui, now, pages) if len(group) == 1 else _many(group, kind, state, ui, now, pages)
            name = "\n".join([state, *(f"{cause.key} {cause.since:.3f}" for cause in group)])
            digest = hashlib.sha256(name.encode()).hexdigest()[:32]
            messages.append(Message(digest, state, _subject(group, kind, state), redacted(body), keys, tuple(to)))
    return messages


def _subject(group: Sequence[Cause], kind: Kind, state: State) -> str:
    where = group[0].table if len(group) == 1 else f"{len(group)} tables"
    detail = f" ({group[0].detail})" if len(group) == 1 and group[0].detail else ""
    said = f"[stori] {'resolved: ' if state == 'over' else ''}{_WHAT[kind]}: {where}{detail}"
    return "".join(letter if " " <= letter <= "~" else "?" for letter in said)[:SUBJECT]


def _one(cause: Cause, state: State, ui: str, now: float, pages: Mapping[str, str]) -> str:
    where = cause.table + (f", check {cause.detail}" if cause.detail else "") + (f", run {cause.run_id}" if cause.run_id else "")
    lines = [
        f"What:  {cause.words[:_WORDS]}",
        f"Where: {where}",
        f"Since: {_instant(cause.since)}",
        f"Link:  {_link(cause, ui, pages)}",
    ]
    lines.append(f"To do: {_TO_DO[cause.kind].format(table=cause.table)}" if state == "begun" else _resolved(cause, now))
    return "\n".join(lines)


def _many(group: Sequence[Cause], kind: Kind, state: State, ui: str, now: float, pages: Mapping[str, str]) -> str:
    first = min(group, key=lambda each: each.since)
    lines = [
        f"What:  {first.words[:_WORDS]}",
        f"Where: {len(group)} tables, listed below" + (f"; first in run {first.run_id}" if first.run_id else ""),
        f"Since: {_instant(first.since)}",
        f"Link:  {_link(first, ui, pages)}",
        f"To do: {_TO_DO[kind].format(table=first.table)}" if state == "begun" else _resolved(first, now),
        *(f"- {cause.table}{f', check {cause.detail}' if cause.detail else ''}" for cause in group[:_SHOWN]),
    ]
    return "\n".join(lines + ([f"- and {len(group) - _SHOWN} more"] if len(group) > _SHOWN else []))


def _resolved(cause: Cause, now: float) -> str:
    minutes, seconds = divmod(max(0, round(now - cause.since)), 60)
    hours, minutes = divmod(minutes, 60)
    lasted = f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"Resolved, lasted {lasted}."


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _link(cause: Cause, ui: str, pages: Mapping[str, str]) -> str:
    if cause.run_id and cause.kind in ("run_failed", "load_blocked"):
        return f"{ui}/runs/{cause.run_id}"
    if cause.table in pages:
        return f"{ui}/assets/{quote(pages[cause.table])}" + ("?view=checks" if cause.detail else "")
    return f"{ui}/runs"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
