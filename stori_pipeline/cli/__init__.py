"""The `stori` command. Each module holds the commands of one subject: `stack`, `data`, `scaffold`, `serve`, `demo`.

Belongs here: arguments, progress, tables and exit codes. Does not belong here: the work itself. Heavy imports stay inside the commands, so
that `stori --help` and `stori status` answer at once.
"""

from __future__ import annotations

import click

from stori_pipeline import logs
from stori_pipeline.cli import console, data, demo, scaffold, serve, stack


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="stori-pipeline")
def main() -> None:
    """Bring operational data to the warehouse, and prove that it arrived.

    On a laptop: `stori up`, `stori seed`, `stori sync`, `stori verify`; or `stori demo`, which does all of it.
    """
    console.collect_garbage_less()
    console.restore_sigint()
    console.load_dotenv()
    logs.install()


for command in (*stack.COMMANDS, *data.COMMANDS, scaffold.scaffold, *serve.COMMANDS, demo.demo):
    main.add_command(command)
