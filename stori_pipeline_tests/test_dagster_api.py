"""What the package uses of Dagster and is not public: the tables of ADR 7, and nothing beside them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import dagster
from dagster._annotations import is_public

PACKAGE = Path(__file__).parents[1] / "stori_pipeline"
TESTS = Path(__file__).parent
ADR = PACKAGE.parent / "docs" / "adr" / "0007-private-api-of-dagster.md"
TREES = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
KNOWING = {name: tree for name, tree in TREES.items() if name.split("/")[0] in ("defs", "runtime", "cli", "definitions.py")}
"""The files that may import Dagster (see `test_house`)."""

DOCUMENTED = {"time_window", "get_client"}
"""What Dagster's documentation tells users to call, and bears no mark."""

PYTHONS = {"resolve", "end"}
"""What files here call on objects of Python's that have a member of the same name."""

ARRIVING = ("EventLogEntry", "EventLogRecord", "RunRecord", "JobDefinition", "OpExecutionContext")
"""Classes whose objects the package gets from Dagster without importing the class."""


def _rows() -> Iterator[tuple[set[str], set[str], list[str], list[str]]]:
    """Of each row: members without their class, files of the package, files of tests, and tests."""
    for line in ADR.read_text().splitlines():
        if line.startswith("| `"):
            members, files, _reason, tests = line.strip("| ").split(" | ")
            named = re.findall(r"`([\w./]+)`", tests)
            yield (
                {each.rpartition(".")[2] for each in re.findall(r"`([\w.]+)`", members)} - {"RunRequest"},
                set(re.findall(r"`([\w/]+\.py)`", files)),
                [each for each in named if each.endswith(".py")],
                [each for each in named if each.startswith("test_") and not each.endswith(".py")],
            )


def _names(tree: ast.AST) -> set[str]:
    """Every member that a file reads, imports, overrides or asks for by its text."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, (ast.alias, ast.FunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            found |= {each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return found


def test_the_members_of_the_adr_are_used_in_the_files_named_and_nowhere_else() -> None:
    declared: dict[str, set[str]] = defaultdict(set)
    for members, files, _, _ in _rows():
        for member in members:
            declared[member] |= files
    assert len(declared) > 20
    names = {file: _names(tree) for file, tree in TREES.items()}
    assert {member: {file for file in names if member in names[file]} for member in declared} == declared


def test_the_tests_that_the_adr_names_exist() -> None:
    for members, _, files, tests in _rows():
        texts = [(TESTS / file).read_text() for file in files]
        assert [test for test in tests if not any(f"def {test}(" in text for text in texts)] == [], members
        assert bool(files) == bool(tests), members


def test_the_private_imports_from_dagster_are_those_of_the_adr() -> None:
    imported = {
        (file, alias.name)
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.ImportFrom, ast.Import))
        for alias in node.names
        if re.match(r"dagster\w*\.(.*\.)?_", f"{node.module if isinstance(node, ast.ImportFrom) else alias.name}.{alias.name}")
    }
    assert imported == {
        ("defs/follow_ups.py", "UnresolvedAssetJobDefinition"),
        ("defs/jobs.py", "UnresolvedAssetJobDefinition"),
        ("runtime/storage.py", "DagsterSqliteStorage"),
        ("runtime/storage.py", "SqliteEventLogStorage"),
    }


def _dagster_classes() -> set[type]:
    """The classes of Dagster whose objects the package handles."""
    found = {getattr(dagster, name) for name in ARRIVING}
    for tree in KNOWING.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and re.match(r"dagster(_aws|_postgres)?\b(?!.*\._)", node.module or ""):
                found |= {getattr(importlib.import_module(node.module or ""), alias.name) for alias in node.names}
    return {each for each in found if inspect.isclass(each)}


def _members() -> tuple[set[str], set[str]]:
    """The names of their methods and properties: those marked as public of any class, and the others."""
    marked: set[str] = set()
    unmarked: set[str] = set()
    for each in {base for one in _dagster_classes() for base in one.__mro__ if base.__module__.startswith("dagster")}:
        for name, member in vars(each).items():
            function = member.fget if isinstance(member, property) else member.func if isinstance(member, cached_property) else member
            function = getattr(function, "__func__", function)
            if callable(function) and not name.startswith("__"):
                (marked if is_public(function) or (isinstance(member, property) and is_public(member)) else unmarked).add(name)
        marked |= {name for name, kind in getattr(each, "__annotations__", {}).items() if "public" in str(kind).lower()}
    return marked, unmarked - marked


def test_every_member_in_use_is_public_or_in_the_adr() -> None:
    """By name: a member that is called as one of our own functions or fields is not seen."""
    marked, unmarked = _members()
    assert {"get_run_records", "event_type"} <= marked
    assert {"get_runs", "set_data_version", "step_failure_data"} <= unmarked
    own = {node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own |= {ast.unparse(node.target) for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)}
    listed = {member for members, *_ in _rows() for member in members}
    for file, tree in KNOWING.items():
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert sorted((used & unmarked) - own - listed - DOCUMENTED - PYTHONS) == [], file
