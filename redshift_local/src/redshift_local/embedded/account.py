"""The account that a server runs under which refuses to run as root, as PostgreSQL does.

Belongs here: choosing that account, and letting it reach the server's files. Does not belong here: anything about the server.
"""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from redshift_local.embedded.errors import ClusterError

# Accounts that every system has.
_CANDIDATES = ("postgres", "nobody")

# The account must reach the data and the binaries, and these may lie below a folder that is closed to it, such as /root. No folder
# of anybody else's is changed for that. Instead the server starts with CAP_DAC_OVERRIDE, the one capability that passes a closed
# folder, which root has even in a plain container. The capability alone is not enough: PostgreSQL's programs ask access(2) whether
# they may use their own binaries, and for a user other than root the kernel answers as if the process had no capability, unless it
# has SECBIT_NO_SETUID_FIXUP.
_PASS_CLOSED_FOLDERS = ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"]


@dataclass(frozen=True)
class Account:
    """A system account to run servers under; `uid` None means the present one."""

    uid: int | None = None
    gid: int = 0

    @classmethod
    def for_servers(cls, data: Path) -> Account:
        """The account for the server of the folder `data`: the owner of the folder, if it exists."""
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
            f"Postgres refuses to run as root, and this system has none of the accounts {', '.join(_CANDIDATES)}; run as another user"
        )

    def own(self, *paths: Path) -> None:
        """Give the paths to this account."""
        if self.uid is not None:
            for path in paths:
                os.chown(path, self.uid, self.gid)

    def through(self, *reaches: Path) -> list[str]:
        """What to put before a server's command, so that the server runs under this account and reaches these paths."""
        if self.uid is None:
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise ClusterError(
                "Postgres refuses to run as root, and `setpriv` (of util-linux), which changes the account, is missing; run as another user"
            )
        change = [setpriv, f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return [*change, *(_PASS_CLOSED_FOLDERS if closed_folders(*reaches) else ["--inh-caps=-all", "--"])]

    def advice(self, *reaches: Path) -> str:
        """What else to try if a server of this account fails; empty if every account reaches these paths."""
        closed = closed_folders(*reaches) if self.uid is not None else []
        if not closed:
            return ""
        return (
            f"\nThe server runs under another account than root, and {closed[0]} is closed to others. To pass it takes the capabilities "
            f"DAC_OVERRIDE and SETPCAP. If this container lacks them, run as another user, or `chmod o+x {closed[0]}`"
        )


def closed_folders(*paths: Path) -> list[Path]:
    """The folders on the way to these paths that other accounts may not enter, those behind symbolic links included."""
    ways = {folder for path in paths for way in (path.absolute(), path.resolve()) for folder in way.parents}
    return sorted(folder for folder in ways if not _is_open_to_all(folder))


def _is_open_to_all(folder: Path) -> bool:
    """Whether everyone may pass through the folder. One that does not exist yet will be made open."""
    try:
        return bool(folder.stat().st_mode & 0o001)
    except FileNotFoundError:
        return True
