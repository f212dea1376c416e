"""One table, from its source to its mirror: the two steps that everything else schedules, repeats or proves.

Belongs here: how reader, lake and warehouse fit together, and when a new generation is due. Does not belong here: when it
happens, and in which run (`defs`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from stori_pipeline.carrying import Carrying, forgets
from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.readers import PositionLost, Reader
from stori_pipeline.redshift import Ask, Loaded, Pending, Warehouse
from stori_pipeline.spec import Table


@dataclass(frozen=True)
class Landed:
    """What a landing did: its manifest, or None where the source had nothing new; and why it read everything, if it did."""

    manifest: Manifest | None
    newest: Manifest | None
    whole_because: str = ""


def _ignore(_: int) -> None:
    return None


def land(
    table: Table,
    reader: Reader,
    lake: Lake,
    *,
    run_id: str,
    full: bool = False,
    day: date | None = None,
    progress: Callable[[int], None] = _ignore,
) -> Landed:
    """Land what changed in the source since the newest batch, as one batch.

    Reads the whole table, and so starts a generation, where nothing has landed yet, where the record has changed, where the source
    cannot continue from the position, or where `full` asks for it. From a source that forgets what it has handed over, the lake's own rows
    are read again, and then what is new. With `day`, lands the rows of that day again instead.
    """
    newest = lake.newest(table)
    why = ""
    if newest is None:
        why = "nothing has landed yet"
    elif newest.fingerprint != table.fingerprint:
        why = "its record has changed"
    elif full:
        why = "it was asked for"
    since = None if why or newest is None else newest.until
    try:
        manifest = _land_once(table, reader, lake, newest, since, day if since is not None else None, run_id, progress)
    except PositionLost as lost:
        if since is None:
            raise
        why = str(lost)
        manifest = _land_once(table, reader, lake, newest, None, None, run_id, progress)
    return Landed(manifest, manifest or newest, why)


def _land_once(
    table: Table,
    reader: Reader,
    lake: Lake,
    newest: Manifest | None,
    since: object,
    day: date | None,
    run_id: str,
    progress: Callable[[int], None],
) -> Manifest | None:
    with reader.read(table, since, day=day) as reading:  # type: ignore[arg-type]  # a position is whatever its reader wrote
        whole = Carrying(table, lake, newest, reading) if forgets(table) and newest and since is None else reading
        manifest = lake.land(table, whole, newest=newest, run_id=run_id, progress=progress)
        # Only now may the source forget: what it is told here is durable.
        reading.ack()
    return manifest


def pending(table: Table, lake: Lake, run_id: str) -> Ask:
    """What the lake holds past the ledger's batch. A later snapshot makes everything before it superfluous.

    But no snapshot of a source that forgets is a reason to remove rows: where the lake was lost, only the warehouse still has them.
    """

    def ask(known: tuple[int, int] | None) -> Pending | None:
        manifests = lake.manifests(table, after=known)
        snapshots = [i for i, manifest in enumerate(manifests) if manifest.kind == "snapshot"]
        manifests = manifests[snapshots[-1] :] if snapshots else manifests
        if not manifests:
            return None
        with_parts = [manifest for manifest in manifests if manifest.parts]
        last = manifests[-1]
        return Pending(
            generation=last.generation,
            batch=last.batch,
            replaces=bool(snapshots),
            keeps=forgets(table),
            rows=sum(manifest.rows for manifest in manifests),
            url=lake.copy_manifest(table, with_parts, run_id) if with_parts else "",
        )

    return ask


def load(table: Table, lake: Lake, warehouse: Warehouse, *, run_id: str) -> Loaded | None:
    """Bring the mirror up to the newest batch; None where it already is."""
    return warehouse.load(table, pending(table, lake, run_id), run_id=run_id)
