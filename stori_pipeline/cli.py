"""The `stori` command."""

import click


@click.group()
def main() -> None:
    """Bring operational data to the warehouse, and prove that it arrived."""
