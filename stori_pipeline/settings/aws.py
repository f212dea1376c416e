"""Sessions of AWS, with the credentials and the region of the standard environment.

Belongs here: what all clients of a process share. Does not belong here: clients, their timeouts, and their errors.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3

_lock = threading.Lock()


def session(profile: str | None = None) -> boto3.session.Session:
    """A session of its own, because boto3's default session is not safe for threads. Clients of all sessions read botocore's descriptions
    of services from disk once, which is most of what creating one takes.

    Raises:
        botocore.exceptions.BotoCoreError: the environment or its files are no settings of AWS, such as a profile that does not exist.
    """
    import boto3  # slow to import
    import botocore.session

    core = botocore.session.get_session()
    with _lock:
        core.register_component("data_loader", _descriptions(core.get_config_variable("data_path")))
        made = boto3.session.Session(botocore_session=core, profile_name=profile)
        paths: list[str] = core.get_component("data_loader").search_paths
        paths[:] = dict.fromkeys(paths)  # boto3 adds its own folder for every session
        return made


@functools.lru_cache(maxsize=2)
def _descriptions(data_path: str | None) -> Any:
    from botocore.loaders import create_loader

    return create_loader(data_path)
