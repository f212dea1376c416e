"""The command that serves the API: api.

Belongs here: its arguments. Does not belong here: the API.
"""

from __future__ import annotations

import click

from stori_pipeline.cli.console import plain_errors, say


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen at. Set STORI_API_KEY before you open it to others."
)
@click.option("--port", default=8000, show_default=True, help="The port to listen at; 0 takes any free port.")
def api(host: str, port: int) -> None:
    """Serve freshness, charts and what the project adds over HTTP, with a page at / and the documentation at /docs."""
    from stori_pipeline.discovery import current, named_object

    try:
        from stori_pipeline.api import create_app
        from stori_pipeline.api.serving import bind
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; install the extra `api` of this package") from error

    with plain_errors():
        package = current()
        extend = named_object(package.api) if package.api else None
        server, sock = bind(create_app(extend=extend, title=package.name), host, port)
        say(f"The API answers at http://{host}:{sock.getsockname()[1]}/ until it is interrupted")
        server.run(sockets=[sock])


COMMANDS = (api,)
