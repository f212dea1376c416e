"""A source: a system that rows come from.

Belongs here: what a definition says of a source as a whole. Does not belong here: its address and its credentials (`settings`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import refuse_bad_name, refuse_bad_source_name

DERIVED = "polars"
"""The kind of star tables, whose schema is the platform's own. Dagster shows an icon for it."""


@dataclass(frozen=True)
class Source:
    """A system that rows come from. `kind` names its reader in `readers.READERS`; its tables are called `<name>.<table>`.

    `target_lag` is how late its tables may be; see `Table`.

    The address is the setting `STORI_SOURCE_<NAME>` (see `settings`): a definition holds no address and no secret.
    """

    name: str
    kind: str
    description: str
    owners: tuple[str, ...] = ()
    target_lag: timedelta | None = None

    def __post_init__(self) -> None:
        if self.kind == DERIVED:
            refuse_bad_name("source", self.name)
        else:
            refuse_bad_source_name(self.name)
        refuse_bad_target_lag(f"source {self.name}", self.target_lag)


def refuse_bad_target_lag(where: str, lag: object) -> None:
    """Refuses what is neither None nor a time above zero. Raises DefinitionError, which begins with `where`."""
    if lag is not None and not (isinstance(lag, timedelta) and lag > timedelta(0)):
        raise DefinitionError(f"{where}: target_lag is a timedelta above zero, such as timedelta(seconds=30), not {lag!r}")
