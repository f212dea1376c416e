"""The `stori` command.

Belongs here and beside it: arguments, progress, tables and exit codes. Does not belong here: doing any of the work. Each module
holds the commands of one subject: `stack` the servers of a laptop and their data, `data` moving and proving rows, `serve` the API,
`demo` the whole story in one go.

Heavy imports stay inside the commands, so that `stori --help` and `stori status` answer at once.
"""

from __future__ import annotations

import click

from stori_pipeline import logs
from stori_pipeline.cli import console, data, demo, serve, stack


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="stori-pipeline")
def main() -> None:
    """Bring operational data to the warehouse, and prove that it arrived.

    On a laptop: `stori up`, `stori seed`, `stori sync`, `stori verify`; or `stori demo` for all of it in one go.
    """
    console.heed_signals()
    console.load_dotenv()
    logs.install()


for command in (*stack.COMMANDS, *data.COMMANDS, *serve.COMMANDS, demo.demo):
    main.add_command(command)
