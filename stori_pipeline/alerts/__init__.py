"""Telling people what is wrong: what a cause is, how it is told, and to whom.

Belongs here: `causes` (which causes are in force, from what was seen), `messages` (how one is told), `memory` (what is remembered
from look to look), `sending` (a topic of SNS, a webhook). Does not belong here: Dagster; reading what its runs did is `defs.alerts`.
"""

from stori_pipeline.alerts.causes import Cause, Kind, Landing, Verdict
from stori_pipeline.alerts.memory import Memory
from stori_pipeline.alerts.messages import Message
from stori_pipeline.alerts.sending import Channel, Topic, Unsent, Webhook, channels

__all__ = ["Cause", "Channel", "Kind", "Landing", "Memory", "Message", "Topic", "Unsent", "Verdict", "Webhook", "channels"]
