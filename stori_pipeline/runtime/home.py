"""Which folder Dagster takes its configuration from: `DAGSTER_HOME`.

Belongs here: noticing another project's. Does not belong here: what the command does about it (`cli.console`), or what the folder holds
(`dagster.yaml`).
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

_WARNED = "DAGSTER_HOME_WARNED_OF"
"""The variable that keeps the processes that this one starts from repeating the warning."""

_log = logging.getLogger(__name__)


def warn_of_foreign_home(project: Path) -> None:
    """Logs a warning if `DAGSTER_HOME` is a folder with another project's `dagster.yaml`, or with none: runs would go there unnoticed. Also
    if there is no such folder: Dagster starts no run then.

    Args:
        project: the folder of the project, which has a `dagster.yaml` of its own.
    """
    home = os.environ.get("DAGSTER_HOME", "")
    if not home or os.environ.get(_WARNED) == home or not (project / "dagster.yaml").exists() or Path(home).resolve() == project.resolve():
        return
    config = Path(home) / "dagster.yaml"
    if config.exists() and "stori_pipeline" in config.read_text(encoding="utf-8", errors="replace"):
        return  # a copy of ours in a folder of its own, as in a container
    os.environ[_WARNED] = home
    what = "which belongs to another project: runs go there" if Path(home).is_dir() else "and there is no such folder: no run can start"
    _log.warning(
        "DAGSTER_HOME is %s, %s, and %s is not read. Unset it, or set it to %s",
        home,
        what,
        project / "dagster.yaml",
        project,
    )
