"""The text of an alert: what is wrong, where, since when, a link, and what to do.

Belongs here: composing messages. Does not belong here: sending them.
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

MAX_SEPARATE = 5
"""Up to this many causes of one kind get a message each. More at the same time probably have one reason, and share one message."""

MAX_SUBJECT = 100  # characters; SNS accepts no more, and only ASCII
_MAX_TABLES = 50  # tables that a shared message lists
_MAX_ERROR = 2_000  # characters of an error; SNS accepts 256 kB, Slack 3,000 characters

State = Literal["begun", "over"]

_WHAT: Mapping[Kind, str] = {
    "run_failed": "run failed",
    "load_blocked": "load blocked",
    "freshness": "not fresh",
    "check_failed": "check failed",
    "quarantine": "quarantine over threshold",
}
_TO_DO: Mapping[Kind, str] = {
    "run_failed": "Fix what the error names. The schedule retries within 20 minutes; `stori sync {table}` retries now.",
    "load_blocked": "Read the reasons with `stori quarantine show {table}`. Then do what the error says.",
    "freshness": "Check with `stori status` that the servers answer, and in the UI that the schedule is on; then run `stori sync {table}`.",
    "check_failed": "Open the asset's page to see the failing rows. `stori verify {table}` lists the rows that differ from the source.",
    "quarantine": "Read the reasons with `stori quarantine show {table}`. Correct the source or the definition, or edit and replay rows.",
}


@dataclass(frozen=True)
class Message:
    """One message. `id` stays the same when the message is sent again, so that a receiver can recognise a duplicate. `to` names the
    channels that have not accepted it yet."""

    id: str
    state: State
    subject: str
    body: str
    keys: tuple[str, ...]
    to: tuple[str, ...]
    taken: bool = False
    """Whether a channel has accepted it."""

    def as_slack(self) -> dict[str, Any]:
        """The message as the JSON that Slack's webhooks accept."""
        text = f"*{_escaped(self.subject)}*\n{_escaped(self.body)}"
        return {"text": self.subject, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text[:3_000]}}]}


def compose(causes: Iterable[Cause], state: State, *, to: Sequence[str], ui: str, now: float, pages: Mapping[str, str]) -> list[Message]:
    """A message for each cause. Causes of one kind share a message if they have the same error, or if there are more than `MAX_SEPARATE`.

    Args:
        to: names of the channels.
        ui: address of Dagster's UI.
        now: seconds since 1970.
        pages: full name to the path of its asset in the UI.
    """
    messages = []
    for kind, same_kind in groupby(sorted(causes, key=lambda each: (each.kind, each.words, each.key)), key=lambda each: each.kind):
        all_of_kind = list(same_kind)
        groups = (
            [all_of_kind] if len(all_of_kind) > MAX_SEPARATE else [list(g) for _, g in groupby(all_of_kind, key=lambda each: each.words)]
        )
        for group in groups:
            keys = tuple(cause.key for cause in group)
            body = _body_of_one(group[0], state, ui, now, pages) if len(group) == 1 else _body_of_many(group, kind, state, ui, now, pages)
            identity = "\n".join([state, *(f"{cause.key} {cause.since:.3f}" for cause in group)])
            digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
            messages.append(Message(digest, state, _subject(group, kind, state), redacted(body), keys, tuple(to)))
    return messages


def _subject(group: Sequence[Cause], kind: Kind, state: State) -> str:
    where = group[0].table if len(group) == 1 else f"{len(group)} tables"
    detail = f" ({group[0].detail})" if len(group) == 1 and group[0].detail else ""
    subject = f"[stori] {'resolved: ' if state == 'over' else ''}{_WHAT[kind]}: {where}{detail}"
    return "".join(letter if " " <= letter <= "~" else "?" for letter in subject)[:MAX_SUBJECT]


def _body_of_one(cause: Cause, state: State, ui: str, now: float, pages: Mapping[str, str]) -> str:
    where = cause.table + (f", check {cause.detail}" if cause.detail else "") + (f", run {cause.run_id}" if cause.run_id else "")
    lines = [
        f"What:  {cause.words[:_MAX_ERROR]}",
        f"Where: {where}",
        f"Since: {_instant(cause.since)}",
        f"Link:  {_link(cause, ui, pages)}",
    ]
    lines.append(f"To do: {_TO_DO[cause.kind].format(table=cause.table)}" if state == "begun" else _resolved(cause, now))
    return "\n".join(lines)


def _body_of_many(group: Sequence[Cause], kind: Kind, state: State, ui: str, now: float, pages: Mapping[str, str]) -> str:
    first = min(group, key=lambda each: each.since)
    lines = [
        f"What:  {first.words[:_MAX_ERROR]}",
        f"Where: {len(group)} tables, listed below" + (f"; first in run {first.run_id}" if first.run_id else ""),
        f"Since: {_instant(first.since)}",
        f"Link:  {_link(first, ui, pages)}",
        f"To do: {_TO_DO[kind].format(table=first.table)}" if state == "begun" else _resolved(first, now),
        *(f"- {cause.table}{f', check {cause.detail}' if cause.detail else ''}" for cause in group[:_MAX_TABLES]),
    ]
    return "\n".join(lines + ([f"- and {len(group) - _MAX_TABLES} more"] if len(group) > _MAX_TABLES else []))


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
