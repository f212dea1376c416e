"""The account that servers run under which refuse to run as root.

Belongs here: choosing that account, and letting it reach the server's files. Does not belong here: anything about the servers.

Postgres refuses root. Where root starts the stack (in a container, mostly), the server runs under an account that every system
has. That account must reach the data and the binaries, and these may lie under a folder that is closed to it, such as /root.
No folder outside the stack's own is changed for that. Where a folder on the way is closed, the server is started with the one
capability that passes it, CAP_DAC_OVERRIDE, which root has even in a plain container.

The capability alone is not enough: Postgres's programs ask `access(2)` whether they may use their own binaries, and for a user
other than root the kernel answers that call as if the process had no capability, unless it has SECBIT_NO_SETUID_FIXUP.
"""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from stori_pipeline.local.state import StackError

_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A system account to run servers under; `uid` None means the present one."""

    uid: int | None = None
    gid: int = 0

    @classmethod
    def for_servers(cls, data: Path) -> Account:
        """The account that the server of `data` runs under: their owner's, once they are there."""
        if os.geteuid() != 0:
            return cls()
        if data.exists():
            there = data.stat()
            return cls(there.st_uid, there.st_gid)
        for name in _CANDIDATES:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise StackError(
            f"Postgres refuses to run as root, and this system has none of the accounts {', '.join(_CANDIDATES)}; run as another user"
        )

    def own(self, *paths: Path) -> None:
        """Give the paths to this account."""
        if self.uid is not None:
            for path in paths:
                os.chown(path, self.uid, self.gid)

    def through(self, *reaches: Path) -> list[str]:
        """The command to start a server through, so that it runs under this account and reaches these paths."""
        if self.uid is None:
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise StackError(
                "Postgres refuses to run as root, and `setpriv` (of util-linux) is not there to change the account; run as another user"
            )
        change = [setpriv, f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        if closed_folders(*reaches):
            return [*change, "--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"]
        return [*change, "--inh-caps=-all", "--"]

    def advice(self, *reaches: Path) -> str:
        """What else to try where a server of this account fails; empty where it needs nothing special to reach these paths."""
        closed = closed_folders(*reaches) if self.uid is not None else []
        if not closed:
            return ""
        return (
            f"\nThe server runs under another account than root, and {closed[0]} is closed to others. To pass it takes the capabilities "
            f"DAC_OVERRIDE and SETPCAP. Where this container has been denied them, run as another user, or `chmod o+x {closed[0]}`"
        )


def closed_folders(*paths: Path) -> list[Path]:
    """The folders on the way to these paths that other accounts may not enter, those behind symbolic links included."""
    ways = {folder for path in paths for way in (path.absolute(), path.resolve()) for folder in way.parents}
    return sorted(folder for folder in ways if not _open_to_all(folder))


def _open_to_all(folder: Path) -> bool:
    """Whether everyone may pass through the folder; one that is not there yet will be made by us, open."""
    try:
        return bool(folder.stat().st_mode & 0o001)
    except FileNotFoundError:
        return True
