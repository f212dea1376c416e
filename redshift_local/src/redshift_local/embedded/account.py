"""The system account that runs PostgreSQL, which refuses to run as root.

Belongs here: choosing that account, and giving it access to the server's files. Does not belong here: anything else about the server.
"""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from redshift_local.embedded.errors import ClusterError

# Most systems have one of these accounts.
_CANDIDATES = ("postgres", "nobody")

# The account needs access to the data and the binaries, which may be inside a folder that it cannot enter, such as /root. The permissions
# of such a folder are not changed. Instead the server starts with the capability CAP_DAC_OVERRIDE, which root has even in an ordinary
# container, and which lets a process enter any folder. It also needs SECBIT_NO_SETUID_FIXUP: PostgreSQL's programs call access(2) on
# their own binaries, and without this bit access(2) ignores the capabilities of a user other than root.
_PASS_CLOSED_FOLDERS = ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"]


@dataclass(frozen=True)
class Account:
    """A system account that runs servers. If `uid` is None, it is the current account."""

    uid: int | None = None
    gid: int = 0

    @classmethod
    def for_servers(cls, data: Path) -> Account:
        """The account for a server whose data folder is `data`. If the folder exists, it is the folder's owner."""
        if os.geteuid() != 0:
            return cls()
        if data.exists():
            owner = data.stat()
            return cls(owner.st_uid, owner.st_gid)
        for name in _CANDIDATES:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise ClusterError(
            f"PostgreSQL refuses to run as root, and this system has none of the accounts {', '.join(_CANDIDATES)}; run as another user"
        )

    def own(self, *paths: Path) -> None:
        """Make this account the owner of the paths."""
        if self.uid is not None:
            for path in paths:
                os.chown(path, self.uid, self.gid)

    def through(self, *reaches: Path) -> list[str]:
        """The prefix of a command that runs the command under this account, with access to these paths."""
        if self.uid is None:
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise ClusterError(
                "PostgreSQL refuses to run as root, and the program `setpriv` (of util-linux), which changes the account, is missing; "
                "install it, or run as another user"
            )
        change = [setpriv, f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return [*change, *(_PASS_CLOSED_FOLDERS if closed_folders(*reaches) else ["--inh-caps=-all", "--"])]

    def advice(self, *reaches: Path) -> str:
        """Advice for the user if a server under this account was denied access; empty if every account has access to these paths."""
        closed = closed_folders(*reaches) if self.uid is not None else []
        if not closed:
            return ""
        return (
            f"\nThe server does not run as root, and {closed[0]} is closed to other accounts. To enter it, the server needs the "
            f"capabilities DAC_OVERRIDE and SETPCAP. If this container lacks them, run as another user, or run `chmod o+x {closed[0]}`"
        )


def closed_folders(*paths: Path) -> list[Path]:
    """The folders above these paths that other accounts may not enter. Symbolic links are followed."""
    ways = {folder for path in paths for way in (path.absolute(), path.resolve()) for folder in way.parents}
    return sorted(folder for folder in ways if not _is_open_to_all(folder))


def _is_open_to_all(folder: Path) -> bool:
    """Whether every account may enter the folder. A folder that does not exist will be created open."""
    try:
        return bool(folder.stat().st_mode & 0o001)
    except FileNotFoundError:
        return True
