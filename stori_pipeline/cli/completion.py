"""Shell completion: the command that prints the script, and the names that it completes.

Belongs here: which names an argument takes. Does not belong here: the arguments (`data`, `stack`, `projects`). It imports the project's
definitions at most, and shows nothing where that fails: an error would land in the middle of a line that someone types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_STORI_COMPLETE"
_INSTALL = {
    "bash": 'eval "$(stori completion bash)"` to ~/.bashrc',
    "zsh": 'eval "$(stori completion zsh)"` to ~/.zshrc',
    "fish": "stori completion fish | source` to ~/.config/fish/config.fish",
}


@click.command(
    help="Print the script that completes commands, options and the names of tables and sources in SHELL.\n\n\b\n"
    + "\n".join(f"{shell}: add `{line}" for shell, line in _INSTALL.items())
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"click completes nothing for {shell}; update click")
    # Not the class's own `source`, which runs bash to find its version.
    click.echo(ShellComplete.source(found(ctx.find_root().command, {}, "stori", _VARIABLE)))


def _tables() -> Iterable[str]:
    from stori_pipeline.discovery import current

    return [table.full_name for table in current().tables]


def _sources() -> Iterable[str]:
    from stori_pipeline.discovery import current

    return [source.name for source in current().sources]


def _servers() -> Iterable[str]:
    from stori_pipeline.cli.stack import local_stack

    return [f"{server}=" for server in local_stack().servers]


_NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "[TABLE]...": _tables,
    "SOURCE.TABLE": _tables,
    "[SOURCE.TABLE]": _tables,
    "[SOURCE.TABLE]...": _tables,
    "[SOURCE]...": _sources,
    "SOURCE": _sources,
    "SOURCE[.TABLE]": lambda: [*_sources(), *_tables()],
    "SERVER=PORT": _servers,
}
"""What completes an argument or an option, by the metavar that help shows for it."""


def complete_names(command: click.Command) -> None:
    """Let a command, and each command of a group, complete the names that its arguments take."""
    for parameter in command.params:
        if parameter.metavar in _NAMES:
            parameter.shell_complete = _completing(_NAMES[parameter.metavar])  # type: ignore[method-assign, assignment]
    if isinstance(command, click.Group):
        for each in command.commands.values():
            complete_names(each)


def _completing(names: Callable[[], Iterable[str]]) -> Callable[[click.Context, str], list[CompletionItem]]:
    def complete(ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001  (click passes it)
        try:
            return [CompletionItem(name) for name in sorted(names()) if name.startswith(incomplete)]
        except Exception:  # noqa: BLE001  (whatever a broken project raises; its next command says it)
            return []

    return complete
