"""Commands that make a project and add to it: init, add.

Belongs here: their arguments, and what they print. Does not belong here: the files that they write (`projects`).
"""

from __future__ import annotations

import click


@click.command()
@click.argument("name")
def init(name: str) -> None:
    """Make a project."""


COMMANDS: tuple[click.Command, ...] = ()
