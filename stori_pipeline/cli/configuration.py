"""The command that shows the settings and tries the connections that they lead to: settings.

Belongs here: its arguments, and what it prints. Does not belong here: what a setting is (`stori_pipeline.settings`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from stori_pipeline.cli.console import grid, plain_errors, print_json, print_line, say

if TYPE_CHECKING:
    from stori_pipeline.discovery import ProjectPackage
    from stori_pipeline.settings import Settings

Check = Callable[[], str]
"""Tries one connection; returns what it found, in a few words."""


@click.command()
@click.option("--check", is_flag=True, help="Also try every connection: the sources, the warehouse, the buckets, Dagster's storage.")
@click.option("--json", "as_json", is_flag=True, help="Print the settings as JSON, for programs.")
def settings(check: bool, as_json: bool) -> None:
    """List every setting: its value, where the value comes from, and what it is for. Secrets are hidden.

    Exit code 1 if a value is invalid, or a connection that was tried does not work.
    """
    from stori_pipeline.discovery import current
    from stori_pipeline.settings import Settings
    from stori_pipeline.settings.declared import unknown
    from stori_pipeline.settings.listing import list_settings

    with plain_errors():
        package = current()
        loaded, sources = Settings.load(), [source.name for source in package.sources]
    listed, strays = list_settings(loaded, sources), unknown(loaded.environ, sources)
    tried = {name: _tried(connect) for name, connect in _connections(loaded, package)} if check else {}
    if as_json:
        connections = [{"name": name, "works": works, "message": message} for name, (works, message) in tried.items()]
        print_json({"settings": [asdict(each) for each in listed], "unknown": strays, "connections": connections})
    else:
        rows = [[each.name, each.value, each.origin, each.meaning] for each in listed]
        grid("Settings", ["setting", "value", "from", "what it holds"], rows)
        for each in listed:
            if each.problem:
                print_line(f"{each.name} {each.problem}; it should hold {each.meaning}")
        for sentence in strays:
            say(sentence)
        for name, (works, message) in tried.items():
            print_line(f"{'works' if works else 'FAILS'}  {name}: {message}")
    if any(each.problem for each in listed) or not all(works for works, _ in tried.values()):
        raise SystemExit(1)


def _tried(connect: Check) -> tuple[bool, str]:
    try:
        with plain_errors():
            return True, connect()
    except click.ClickException as error:
        return False, error.message


def _connections(settings: Settings, package: ProjectPackage) -> Iterator[tuple[str, Check]]:
    from stori_pipeline import readers
    from stori_pipeline.lake import connect as connect_s3
    from stori_pipeline.lake.bucket import Bucket
    from stori_pipeline.readers.postgres.session import Address
    from stori_pipeline.warehouse import connect

    def source(name: str, kind: str) -> Check:
        return lambda: readers.reader_for(kind, settings.source_url(name)).describe(name)

    def database(setting: str) -> Check:
        def check() -> str:
            session = connect(settings.require(setting), setting)
            session.close()
            return "answers"

        return check

    def storage() -> str:
        # The name of a driver in the address is SQLAlchemy's.
        Address(settings.require("STORI_DAGSTER_STORAGE").replace("+psycopg2", "")).connect().close()
        return "answers"

    def bucket(setting: str) -> Check:
        def check() -> str:
            name = settings.require(setting)
            Bucket(connect_s3(), name).page("", "")
            return f"bucket {name} can be listed"

        return check

    for each in package.sources:
        yield f"source {each.name}", source(each.name, each.kind)
    yield "warehouse", database("STORI_WAREHOUSE")
    if settings.environ.get("STORI_WAREHOUSE_READER"):
        yield "warehouse of the API", database("STORI_WAREHOUSE_READER")
    yield "landing bucket", bucket("STORI_LANDING_BUCKET")
    yield "processed bucket", bucket("STORI_PROCESSED_BUCKET")
    if settings.environ.get("STORI_DAGSTER_STORAGE"):
        yield "Dagster's storage", storage


COMMANDS = (settings,)
