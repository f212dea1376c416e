"""The shipped project, as most tests use it.

Belongs here: its parts under short names. Does not belong here: fixtures.
"""

from __future__ import annotations

from stori_pipeline.project import PROJECT

SOURCES = PROJECT.sources
TABLES = PROJECT.tables
STARS = {star.name: star for star in PROJECT.stars}
LOCAL = PROJECT.local
SERVERS = ("sources", "mongo", "aws", "rates", "platform", "redshift")
"""The servers of its stack."""
EVENTS_QUEUE = LOCAL.queues["events"]
