"""A project with an environment of its own, in whatever folder and as whatever user.

Belongs here: making one from this checkout and its environment, quickly, and running its command. Does not belong here: what is asked
of it.

It is what a clone is after `make` has set it up, only that files of the environment are hard links where the file system allows. The
interpreter is linked too where it lies in a folder that other users may not enter.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redshift_local.embedded.account import closed_folders
from stori_pipeline_tests.commands import Ended

ROOT = Path(__file__).parents[2]
_PATIENCE = 240.0
_LIBRARY = Path("lib") / f"python{sys.version_info.major}.{sys.version_info.minor}"
_PROJECT = ("stori_pipeline", "redshift_local", "sql", "dagster.yaml", "workspace.yaml", "pyproject.toml")
_PROGRAMS = ("stori", "secantusd-py")


@dataclass(frozen=True)
class Installation:
    """A project in `folder`. Its commands run as the account of that name, or as the present user."""

    folder: Path
    account: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)

    def stori(self, *words: str, env: Mapping[str, str] | None = None) -> Ended:
        """Run the command in the project's folder, with an environment that knows nothing of the present project."""
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
        entry = pwd.getpwnam(self.account) if self.account else None
        scripts = self.folder / ".venv" / "bin"
        done = subprocess.run(
            [scripts / "python", scripts / "stori", *words],
            cwd=self.folder,
            env=kept | {"HOME": str(self.folder), **self.environ, **(env or {})},
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=[] if entry else None,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)


def open_folder() -> Path:
    """A new folder that every user may enter."""
    place = next(place for place in (tempfile.gettempdir(), "/tmp", "/var/tmp") if not closed_folders(Path(place) / "any"))  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix=f"stori-tests-{os.getpid()}-", dir=place))
    folder.chmod(0o755)
    return folder


@contextmanager
def installed(folder: Path, account: str | None = None) -> Iterator[Installation]:
    """An installation in a folder that this makes. Its servers are down and it is gone after the block.

    Args:
        account: of whom its commands run, who also owns the folder; only root may name one.
    """
    folder.mkdir(mode=0o700)
    environ: dict[str, str] = {}
    interpreter = Path(sys.base_prefix)
    if account and closed_folders(interpreter / "bin"):
        interpreter = _linked_interpreter(folder)
        environ["LD_LIBRARY_PATH"] = str(interpreter / "lib")
    for name in _PROJECT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    _link_environment(folder, interpreter)
    if account:
        _give(folder, pwd.getpwnam(account))
    installation = Installation(folder, account, environ)
    try:
        yield installation
    finally:
        down = installation.stori("down")
        shutil.rmtree(folder)
        assert down.code == 0, down.err


def _link(source: str, target: str) -> None:
    # A link shares its owner and mode, so what only its owner may read is copied.
    if Path(source).stat().st_mode & 0o004:
        try:
            os.link(source, target)
        except OSError:  # another file system, or one that does not link other users' files
            pass
        else:
            return
    shutil.copy(source, target)


def _linked_interpreter(folder: Path) -> Path:
    interpreter, source = folder / "python", Path(sys.base_prefix)
    (interpreter / "bin").mkdir(parents=True)
    _link(str(source / "bin" / _LIBRARY.name), str(interpreter / "bin" / _LIBRARY.name))
    ignored = shutil.ignore_patterns("site-packages", "test", "config-*")
    shutil.copytree(source / _LIBRARY, interpreter / _LIBRARY, copy_function=_link, ignore=ignored)
    for shared in (source / "lib").glob("libpython*.so*"):
        _link(str(shared), str(interpreter / "lib" / shared.name))
    return interpreter


def _link_environment(folder: Path, interpreter: Path) -> None:
    scripts, packages = folder / ".venv" / "bin", folder / ".venv" / _LIBRARY / "site-packages"
    scripts.mkdir(parents=True)
    (scripts / "python").symlink_to(interpreter / "bin" / _LIBRARY.name)
    (folder / ".venv" / "pyvenv.cfg").write_text(f"home = {interpreter / 'bin'}\ninclude-system-site-packages = false\n")
    for name in _PROGRAMS:
        shutil.copy(Path(sys.executable).with_name(name), scripts / name)
    shutil.copytree(
        sysconfig.get_path("purelib"), packages, copy_function=_link, ignore=shutil.ignore_patterns("_editable_impl_*"), symlinks=True
    )
    (packages / "project.pth").write_text(f"{folder}\n{folder / 'redshift_local' / 'src'}\n", encoding="utf-8")


def _give(folder: Path, entry: pwd.struct_passwd) -> None:
    """To that account: the folders and the project's files. Links stay whose they are: they are the present environment's."""
    for place, _, files in os.walk(folder):
        os.chown(place, entry.pw_uid, entry.pw_gid)
        for name in files:
            if (Path(place) / name).lstat().st_nlink == 1:
                os.chown(Path(place) / name, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
