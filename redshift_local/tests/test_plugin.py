"""The fixtures of the plugin, as another project's tests use them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from redshift_local.embedded import process
from redshift_local.instance import LocalRedshift
from tests.sessions import PATIENCE, ask, eventually


def test_a_connection_creates_its_tables_in_the_tests_own_schema(redshift_connection: Connection, redshift_schema: str) -> None:
    ask(redshift_connection, "CREATE TABLE t (a INT)")
    assert ask(redshift_connection, "SELECT DISTINCT table_schema FROM svv_tables WHERE table_name = 't'") == [(redshift_schema,)]
    assert ask(redshift_connection, f"SELECT count(*) FROM {redshift_schema}.t") == [(0,)]


def test_the_schema_of_another_test_was_dropped(redshift_connection: Connection, redshift_schema: str) -> None:
    schemas = "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 'test!_%' ESCAPE '!'"
    assert ask(redshift_connection, schemas) == [(redshift_schema,)]


def test_its_repr_holds_no_password(redshift: LocalRedshift) -> None:
    assert redshift.url.split(":")[2].split("@")[0] not in repr(redshift)


def pytest_in(folder: Path, code: str) -> list[str]:
    """The command that runs this code as a test module of another project."""
    (folder / "test_it.py").write_text(code)
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder / "test_it.py")]


def test_a_project_without_a_test_of_redshift_loads_no_driver(tmp_path: Path) -> None:
    code = "import sys\n\ndef test_it():\n    assert not {'psycopg2', 'boto3', 'pyarrow', 'sqlglot', 'psutil'} & set(sys.modules)\n"
    result = subprocess.run(pytest_in(tmp_path, code), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert result.returncode == 0, result.stdout


KILLED = """
import time
from pathlib import Path

def test_it(redshift):
    Path("folder").write_text(str(redshift.postgres.log.parent))
    time.sleep(600)
"""


def test_what_a_killed_session_left_behind_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", tempfile.mkdtemp(dir=tmp_path))
    with subprocess.Popen(pytest_in(tmp_path, KILLED), cwd=tmp_path, stdout=subprocess.DEVNULL) as session:
        assert eventually(lambda: (tmp_path / "folder").exists() and (tmp_path / "folder").read_text() != "")
        session.send_signal(signal.SIGKILL)
    folder = Path((tmp_path / "folder").read_text())
    assert process.having("-D", str(folder / "postgres"))
    code = "def test_it(redshift):\n    assert redshift.url\n"
    result = subprocess.run(pytest_in(tmp_path, code), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert result.returncode == 0, result.stdout
    assert not process.having("-D", str(folder / "postgres"))
    assert not folder.exists()
    assert os.listdir(os.environ["TMPDIR"]) == []  # noqa: PTH208 -- only names are compared
