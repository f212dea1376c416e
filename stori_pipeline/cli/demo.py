"""The whole story in one go: what `make run` runs."""

from __future__ import annotations

import click


@click.command()
def demo() -> None:
    """Seed, sync, change the sources, sync again, and prove source and warehouse equal."""
