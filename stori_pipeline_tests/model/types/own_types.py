"""A type defined outside the platform, as a project would: one object, in a module of its own.

Belongs here: that object. Does not belong here: using it (`test_own_type`).
"""

from __future__ import annotations

import re

import pyarrow as pa

from stori_pipeline.model.types import MisfitError, SuggestedFor, Type

_TIMETZ = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(?:\.([0-9]{1,6}))?([+-][0-9]{2})(:[0-9]{2})?", re.ASCII)


def _to_timetz(value: object) -> str:
    """As both engines write it: no zeros at the end of a fraction, nor minutes of an offset where there are none."""
    match = _TIMETZ.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise MisfitError("bad_date", f"{value!r} is not a time of day with its offset")
    clock, fraction, hours, minutes = match.groups(default="")
    fraction = fraction.rstrip("0")
    return f"{clock}{'.' if fraction else ''}{fraction}{hours}{minutes.removeprefix(':00')}"


timetz = Type(
    name="timetz",
    arrow=pa.string(),
    redshift="TIMETZ",
    stage="VARCHAR(24)",
    load="CAST({} AS TIMETZ)",
    catalog_name="time with time zone",
    from_driver=lambda value: _to_timetz(value.isoformat()),
    max_bytes=24,
    convert=_to_timetz,
    canonical=str,
    canonical_sql=lambda x, engine: {"postgres": f"{x}::text", "redshift": f"CAST({x} AS VARCHAR(24))"}[engine],
    roles=frozenset({"sortkey"}),
    postgres={"time with time zone": "{x}", "text": "{x}"},
    suggested_for=SuggestedFor(
        postgres={"time with time zone": "timetz"},
        arrow=lambda arrow: "timetz" if arrow == pa.time64("ns") else "",
        texts={_TIMETZ.pattern: "timetz"},
    ),
    module=__name__,
    docs="a time of day with its offset, as Postgres writes it",
)
