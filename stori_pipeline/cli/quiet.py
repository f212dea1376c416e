"""Ends `stori sync` within a second if nothing is new.

Belongs here: keeping what a sync left (`pipeline.quiet`), and asking sources, lake and warehouse side by side whether it is still so. Does
not belong here: what must be the same, or the sync itself. It imports no Dagster, and everything else only where it asks.
"""

# A mark lies in `.stori/quiet`, one for each choice of tables. It counts only for the same files of project and platform, the same packages
# and the same addresses. Any doubt, and any error, means that the sync runs: a mark that is lost costs one.

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stori_pipeline.cli.apart import HERE, answers
from stori_pipeline.cli.results import FailedCheck, SyncResult

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from stori_pipeline.lake import Lake
    from stori_pipeline.model.project import Affected, Project
    from stori_pipeline.model.reading import Position
    from stori_pipeline.model.source import Source
    from stori_pipeline.model.table import Table
    from stori_pipeline.pipeline.quiet import Batch, Mark
    from stori_pipeline.settings import Settings

_log = logging.getLogger(__name__)

_VERSION = 1
_SECONDS = 3_600
"""For which a mark counts. A reading renews the position of an idle collection, which its server keeps for a day or less."""

_AWS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION")
_CREDENTIALS = re.compile(r"//[^/@]*@|(password|key|token|secret)=[^\s&]*", re.IGNORECASE)
_CODE = (".py", ".sql", ".toml", ".json", ".yaml")


def nothing_new(names: Sequence[str]) -> list[SyncResult] | None:
    """The results of a sync of these tables (without names, of all) that finds nothing new; None if it may find something.

    Args:
        names: full names of source tables.
    """
    kept = _kept(names)
    if kept is None:
        return None
    try:
        reasons = answers(_questions(kept))
    except Exception as error:  # noqa: BLE001  (whatever it is: the sync meets it again, and says it as a sync does)
        _log.debug("whether anything is new is not known: %s", error)
        return None
    if reasons:
        _log.info("something may be new: %s", "; ".join(reasons))
        return None
    _log.info("nothing is new since the last sync of these tables; no run is needed")
    return [_result(each) for each in kept["results"]]


def _questions(kept: Mapping[str, Any]) -> dict[str, dict[str, Callable[[], str]]]:
    """What to ask, by what has to be imported for it. Each answers "" if nothing has changed, or what has."""
    from stori_pipeline.pipeline.quiet import Mark
    from stori_pipeline.settings import Settings

    mark, settings = Mark.from_json(kept["mark"]), Settings.load()
    questions: dict[str, dict[str, Callable[[], str]]] = {HERE: {"lake": lambda: _moved_in_lake(mark, settings)}}
    by_source: dict[Source, list[Table]] = {}
    for table in _tables(kept["tables"]):
        by_source.setdefault(table.source, []).append(table)
    for source, tables in by_source.items():
        asked = {table: mark.landing[table.full_name].until for table in tables}
        imports = {"sqs": "aws", "s3_drop": "aws", "postgres": HERE}.get(source.kind, source.kind)
        questions.setdefault(imports, {})[source.name] = lambda source=source, asked=asked: _moved_in_source(source, asked, mark, settings)  # type: ignore[misc]
    questions[HERE]["warehouse"] = lambda: _moved_in_warehouse(mark, settings)
    return questions


def _tables(names: Sequence[str]) -> list[Table]:
    from stori_pipeline.discovery import current

    project = current()
    return [project.find_table(name) for name in names]


def _moved_in_source(source: Source, since: Mapping[Table, Position | None], mark: Mark, settings: Settings) -> str:
    heads = _heads(source, since, settings)
    moved = [name for name, head in heads.items() if head != "" and head != mark.heads.get(name)]
    return f"{', '.join(moved)} may have changed" if moved else ""


def _heads(source: Source, since: Mapping[Table, Position | None], settings: Settings) -> dict[str, str | None]:
    """The heads of the tables of one source; None for an error."""
    from stori_pipeline.readers import reader_for
    from stori_pipeline.readers.heads import heads

    found = heads(reader_for(source.kind, settings.source_url(source.name)), since, exact=True)
    return {name: answer if isinstance(answer, str) else None for name, answer in found.items()}


def _moved_in_lake(mark: Mark, settings: Settings) -> str:
    from stori_pipeline.pipeline.quiet import moved_batches, pictures_of

    landing, processed = _lakes(settings)
    moved = moved_batches(landing.bucket, mark.landing) + moved_batches(processed.bucket, mark.processed)
    if pictures_of(processed.bucket, mark.pictures, "charts/") != mark.pictures:
        moved.append("a picture of a chart")
    return f"of {', '.join(moved)} the lake has another batch" if moved else ""


def _lakes(settings: Settings) -> tuple[Lake, Lake]:
    from stori_pipeline.lake import Lake, connect

    client = _client(os.environ.get("AWS_ENDPOINT_URL", ""), connect)
    return Lake(client, settings.landing_bucket), Lake(client, settings.processed_bucket)


@functools.lru_cache(maxsize=1)
def _client(endpoint: str, connect: Callable[[], S3Client]) -> S3Client:  # noqa: ARG001  (the endpoint is part of the cache's key)
    return connect()


def _moved_in_warehouse(mark: Mark, settings: Settings) -> str:
    from stori_pipeline.pipeline.quiet import moved_in_warehouse
    from stori_pipeline.warehouse import Warehouse
    from stori_pipeline.warehouse.state import state_of

    moved = moved_in_warehouse(mark, state_of(Warehouse(settings.warehouse_url, settings.copy_role)))
    return f"the warehouse has another state of {', '.join(moved)}" if moved else ""


# ---- what a sync left


@dataclass(frozen=True)
class Begun:
    """What there was before a sync began."""

    began: float
    code: str
    tables: Sequence[Table]
    batches: Mapping[str, Batch]
    heads: Mapping[str, str]


def begin(tables: Sequence[Table]) -> Begun | None:
    """Note what there is before a sync of these tables, for `finish`; None if that cannot be known."""
    from stori_pipeline.discovery import current
    from stori_pipeline.settings import Settings

    try:
        began, code, settings = time.time(), _code(), Settings.load()
        batches = _newest(current().project, tables, settings)
        heads: dict[str, str] = {}
        by_source: dict[Source, dict[Table, Position | None]] = {}
        for table in tables:
            position = batches[table.full_name].until if table.full_name in batches else {}
            by_source.setdefault(table.source, {})[table] = position
        for source, since in by_source.items():
            if _tells_of_the_table(source, settings):
                heads |= {name: head for name, head in _heads(source, since, settings).items() if head}
    except Exception as error:  # noqa: BLE001  (the sync meets it again, and says it as a sync does)
        _log.debug("what there is before the sync is not known: %s", error)
        return None
    return Begun(began, code, tables, batches, heads)


def _tells_of_the_table(source: Source, settings: Settings) -> bool:
    from stori_pipeline.readers import reader_for
    from stori_pipeline.readers.heads import HeadsTogether

    return isinstance(reader_for(source.kind, settings.source_url(source.name)), HeadsTogether)


def finish(begun: Begun | None, results: Sequence[SyncResult]) -> None:
    """Keep what the sync left, if it did everything. Otherwise the next one runs."""
    path = _path([table.full_name for table in begun.tables]) if begun else None
    if path is None or begun is None:
        return
    try:
        kept = None if any(each.error or each.refused for each in results) else _left(begun, results)
        path.parent.mkdir(parents=True, exist_ok=True)
        if kept is None:
            path.unlink(missing_ok=True)
            return
        written = path.with_suffix(f".{secrets.token_hex(4)}")
        written.write_text(json.dumps(kept))
        written.replace(path)
    except Exception as error:  # noqa: BLE001  (the sync itself has succeeded)
        _log.debug("what the sync left is not kept: %s", error)
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _left(begun: Begun, results: Sequence[SyncResult]) -> dict[str, Any] | None:
    from stori_pipeline.charts.pictures import PREFIX, key
    from stori_pipeline.discovery import current
    from stori_pipeline.model.project import downstream
    from stori_pipeline.pipeline.quiet import Mark, moved_in_warehouse, pictures_of, unfinished
    from stori_pipeline.settings import Settings
    from stori_pipeline.warehouse import Warehouse
    from stori_pipeline.warehouse.state import state_of

    project, settings = current().project, Settings.load()
    made = downstream(project, begun.tables)
    after = _newest(project, begun.tables, settings)
    state = state_of(Warehouse(settings.warehouse_url, settings.copy_role))
    possible = [each for each in made.reports if state.relations.issuperset(each.reads)]
    drawn = [key(each, ending) for each in made.charts if each.relation in state.relations for ending in ("svg", "png")]
    needed = {name for each in made.reports for name in each.reads} | {each.relation for each in made.charts}
    sources = {table.full_name for table in project.tables}
    mark = Mark(
        heads=dict(begun.heads),
        landing={name: batch for name, batch in after.items() if name in sources},
        processed={name: batch for name, batch in after.items() if name not in sources},
        comments={each.full_name: state.comments.get(each.full_name, "") for each in possible},
        pictures=pictures_of(_lakes(settings)[1].bucket, drawn, PREFIX),
        absent=sorted(needed - state.relations),
    )
    undone = unfinished(begun.batches, after, {each.table: each.batch for each in results}, _watched(project, made))
    undone += moved_in_warehouse(mark, state) + sorted(set(drawn) - set(mark.pictures))
    undone += [each.full_name for each in possible if not mark.comments[each.full_name].startswith(f"definition {each.fingerprint},")]
    if undone or begun.code != _code():
        _log.info("the next sync cannot be told that nothing is new: %s", ", ".join(undone) or "the project has changed")
        return None
    return {
        "version": _VERSION,
        "began": begun.began,
        "code": begun.code,
        "tables": [table.full_name for table in begun.tables],
        "mark": mark.to_json(),
        "results": [asdict(_without_rows(each)) for each in results],
    }


def _without_rows(result: SyncResult) -> SyncResult:
    """What the same sync says again if nothing is new."""
    return SyncResult(result.table, layer=result.layer, notes=result.notes, failed_checks=result.failed_checks)


def _newest(project: Project, tables: Sequence[Table], settings: Settings) -> dict[str, Batch]:
    """The newest batches of these tables, and of everything from which anything downstream of them is made."""
    from stori_pipeline.model.project import downstream
    from stori_pipeline.pipeline.quiet import newest

    names = _watched(project, downstream(project, tables))
    watched = [project.mirrors[name] for name in sorted(names)]
    landing, processed = _lakes(settings)
    return {
        **newest(landing, [table for table in watched if not table.is_derived]),
        **newest(processed, [table for table in watched if table.is_derived]),
    }


def _watched(project: Project, made: Affected) -> set[str]:
    names = {table.full_name for table in made.mirrored}
    names.update(name for star in made.stars for name in star.inputs.values())
    return names.union(*(project.mirrors_below(report) for report in made.reports))


# ---- where it is kept


def _path(names: Sequence[str]) -> Path:
    """The file of the mark of these tables; of all tables without names."""
    from stori_pipeline.discovery import current

    chosen = sorted(set(names)) or sorted(table.full_name for table in current().tables)
    name = hashlib.sha256("\n".join(chosen).encode()).hexdigest()[:16]
    return Path(os.environ.get("DAGSTER_HOME") or ".") / ".stori" / "quiet" / f"{name}.json"


def _kept(names: Sequence[str]) -> dict[str, Any] | None:
    """The mark of these tables, if it counts."""
    try:
        kept = json.loads(_path(names).read_bytes())
        is_recent = 0 <= time.time() - kept["began"] < _SECONDS
        return kept if is_recent and kept["version"] == _VERSION and kept["code"] == _code() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _result(values: dict[str, Any]) -> SyncResult:
    checks = tuple(FailedCheck(**each) for each in values["failed_checks"])
    return SyncResult(**{**values, "notes": tuple(values["notes"]), "failed_checks": checks})


def _code() -> str:
    """A hash of everything that decides what a sync makes, apart from rows: files, packages and addresses, without their credentials."""
    from stori_pipeline.discovery import current
    from stori_pipeline.settings import Settings

    project = current()
    folders = {Path(__file__).parents[1], project.folder, project.sql}
    files = sorted((str(path), entry.st_size, entry.st_mtime_ns) for folder in folders for path, entry in _files(folder))
    packages = [(each, Path(each).stat().st_mtime_ns) for each in sys.path if each.endswith("-packages") and Path(each).is_dir()]
    environ = Settings.load().environ
    addresses = {name: _CREDENTIALS.sub("", environ[name]) for name in sorted(environ) if name.startswith("STORI_") or name in _AWS}
    return hashlib.sha256(json.dumps([sys.version, files, packages, addresses]).encode()).hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _files(Path(entry.path))
            elif entry.name.endswith(_CODE):
                yield entry.path, entry.stat()
