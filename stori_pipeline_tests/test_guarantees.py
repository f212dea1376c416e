"""The page of promises: each promise names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "guarantees.md").read_text(encoding="utf-8")
PROMISES = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise |")]


def test_the_page_has_promises() -> None:
    assert len(PROMISES) > 20


@pytest.mark.parametrize("promise", PROMISES, ids=range(len(PROMISES)))
def test_a_promise_names_the_tests_that_hold_it(promise: str) -> None:
    cells = [cell.strip() for cell in promise.split("|")[1:-1]]
    assert len(cells) == 4, promise
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", cells[3])
    assert named, f"{cells[0]}: it names no test"
    assert cells[3].count("`") == 2 * len(named), f"{cells[0]}: a name in its last cell is no test"
    for file, name in named:
        functions = [each.name for each in ast.walk(ast.parse((TESTS / file).read_text())) if isinstance(each, ast.FunctionDef)]
        assert name in functions if name else any(each.startswith("test_") for each in functions), f"{file} has no {name or 'test'}"
