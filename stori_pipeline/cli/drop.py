"""The command that removes what a table left behind: drop-table.

Belongs here: its arguments, what it prints, and asking. Does not belong here: what is removed, and in which order (`pipeline.drop`).
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from stori_pipeline.cli.console import grid, plain_errors, print_json, say

if TYPE_CHECKING:
    from dagster import AssetKey

    from stori_pipeline.pipeline.drop import Leftovers


@click.command(name="drop-table")
@click.argument("table", metavar="SOURCE.TABLE")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@click.option("--force", is_flag=True, help="Also if the project still defines the table: the next sync reads it again, whole.")
@click.option("--json", "as_json", is_flag=True, help="Print what is removed as JSON, for programs.")
def drop_table(table: str, dry_run: bool, yes: bool, force: bool, as_json: bool) -> None:
    """Remove what SOURCE.TABLE left in the warehouse, the ledger, the lake and Dagster, after asking.

    Take the table out of the project first. Refuses if a star table, a report or a check of the project depends on it. Can be repeated
    after an interruption.
    """
    from stori_pipeline.cli.data import lake_of, warehouse_of
    from stori_pipeline.discovery import current
    from stori_pipeline.lake import connect
    from stori_pipeline.lake.bucket import Bucket
    from stori_pipeline.pipeline.drop import DropRefused, drop, find_leftovers
    from stori_pipeline.settings import Settings

    settings = Settings.load()
    with plain_errors():
        warehouse, buckets = warehouse_of(settings), (lake_of(settings).bucket, Bucket(connect(), settings.processed_bucket))
        found = find_leftovers(current().project, table, warehouse, buckets)
        assets = _assets(table)
        _show(table, found, assets, as_json=as_json)
        if dry_run or (found.is_empty and not assets):
            return
        if found.defined and not force:
            raise DropRefused(
                f"{table}: the project still defines it, so the next sync would read it again, whole; take it out of the project first, or "
                "say --force"
            )
        if not yes:
            _ask(table)
        drop(found, warehouse, buckets)
        _wipe(assets)
    say(f"{table} is gone." + (" The project still defines it: the next sync reads it again, whole." if found.defined else ""))


def _show(table: str, found: Leftovers, assets: list[AssetKey], *, as_json: bool) -> None:
    if as_json:
        buckets = [asdict(each) for each in found.buckets]
        names = ["/".join(key.path) for key in assets]
        print_json({"table": table, "defined": found.defined, **asdict(found.warehouse), "buckets": buckets, "assets": names})
        return
    rows: list[list[Any]] = []
    if found.warehouse.rows is not None:
        rows.append(["warehouse", f"mirror {table}", found.warehouse.rows, "rows"])
    rows += [["warehouse", f"view {view}", 1, "view"] for view in found.views]
    rows += [["warehouse", f"pipeline.{name}", count, "rows"] for name, count in found.warehouse.records.items()]
    for each in found.buckets:
        if each.objects:
            what = f"{each.manifests} manifests, {each.quarantine_files} files of quarantine, and parts"
            rows.append([f"s3://{each.bucket}", f"{what} ({each.bytes:,} bytes)", each.objects, "objects"])
    rows += [["Dagster", f"record of the asset {'/'.join(key.path)}", 1, "asset"] for key in assets]
    if rows:
        grid(f"What {table} left", ["where", "what", "count", "of"], rows)
    else:
        say(f"{table} left nothing.")


def _ask(table: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{table} would be removed, and there is no terminal to ask; say --yes, or look first with --dry-run")
    click.confirm(f"Remove all of this for ever? {table}", abort=True, err=True)


def _assets(table: str) -> list[AssetKey]:
    """The assets that Dagster has a record of, by whatever key: the last two parts are source and table."""
    from stori_pipeline.runtime.instance import open_instance

    with open_instance() as instance:
        return [key for key in instance.get_asset_keys() if list(key.path[-2:]) == table.split(".")]


def _wipe(assets: list[AssetKey]) -> None:
    from stori_pipeline.runtime.instance import open_instance

    with open_instance() as instance:
        instance.wipe_assets(assets)


COMMANDS = (drop_table,)
