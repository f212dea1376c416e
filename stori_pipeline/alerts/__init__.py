"""Alerts: what is wrong now, the messages about it, and the channels that deliver them.

Belongs here: `causes` (what is wrong), `messages` (the text), `memory` (what was read and sent), `sending` (SNS, a webhook), `metrics`
(CloudWatch). Does not belong here: Dagster; `runtime.alerts` reads its runs.
"""

from stori_pipeline.alerts.causes import Cause, Kind, Landing, Signal
from stori_pipeline.alerts.memory import Memory
from stori_pipeline.alerts.messages import Message
from stori_pipeline.alerts.sending import Channel, SendError, SnsTopic, Webhook, configured_channels

__all__ = ["Cause", "Channel", "Kind", "Landing", "Memory", "Message", "SendError", "Signal", "SnsTopic", "Webhook", "configured_channels"]
