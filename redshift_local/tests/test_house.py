"""Rules for the package's own code: docstrings, lengths and imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import redshift_local

PACKAGE = Path(redshift_local.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted([*PACKAGE.rglob("*.py"), *TESTS.glob("*.py")])
LONGEST_FILE = 350
LONGEST_FUNCTION = 60
LONGEST_DOCSTRING = 5
LONGEST_TEST_NAME = 79


def _name(path: Path) -> str:
    return str(path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else TESTS.parent))


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


@pytest.mark.parametrize("path", [*MODULES, *sorted(PACKAGE.rglob("*.sql"))], ids=_name)
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_FILE, "it probably contains two ideas"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_function_is_long(path: Path) -> None:
    lengths = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in _functions(path)}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=_name)
def test_every_module_says_in_a_few_lines_what_belongs_in_it_and_what_does_not(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert docstring
    assert len([line for line in docstring.splitlines() if line]) <= LONGEST_DOCSTRING
    if path.name != "__main__.py":
        assert "Belongs here: " in docstring
        assert path == PACKAGE / "__init__.py" or "Does not belong here: " in " ".join(docstring.split())


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.sql")), ids=_name)
def test_every_sql_file_says_what_belongs_in_it_and_what_does_not(path: Path) -> None:
    comment = path.read_text("utf-8").partition("\n\n")[0]
    assert "-- Belongs here: " in comment
    assert "Does not belong here: " in comment


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_module_imports_a_test(path: Path) -> None:
    imported = [node.module or "" for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    assert [name for name in imported if name.rpartition(".")[2].startswith("test_") or name.endswith("conftest")] == []


def test_the_name_of_a_test_is_short() -> None:
    names = [function.name for path in TESTS.glob("test_*.py") for function in _functions(path) if function.name.startswith("test_")]
    assert len(names) > 100
    assert [name for name in names if len(name) > LONGEST_TEST_NAME] == []
