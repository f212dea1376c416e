"""The rules of the house: floors, names, sizes, what is in git, what is pinned."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Root may run the tests of a clone that another user owns, which git refuses by default.
_LISTED = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
TRACKED = [ROOT / name for name in _LISTED.stdout.split("\0") if name]
MODULES = sorted(path for path in TRACKED if path.suffix == ".py" and path.exists())
PACKAGE = [path for path in MODULES if path.is_relative_to(ROOT / "stori_pipeline")]
TESTS = [path for path in MODULES if path.name.startswith("test_")]
LONGEST_FILE, LONGEST_FUNCTION, LONGEST_TEST_NAME = 350, 60, 79


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_point_only_downward() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def _imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_only_defs_and_the_front_door_import_dagster() -> None:
    knowing = {
        _name(path).split("/")[1] for path in PACKAGE if any(name.partition(".")[0].startswith("dagster") for name in _imported(path))
    }
    assert knowing <= {"defs", "runtime", "cli", "definitions.py"}
    assert {"defs", "runtime"} <= knowing


def test_only_commands_import_the_local_stack() -> None:
    local = ROOT / "stori_pipeline" / "local"
    knowing = {
        _name(path).split("/")[1]
        for path in PACKAGE
        if not path.is_relative_to(local) and any(name.startswith("stori_pipeline.local") for name in _imported(path))
    }
    assert knowing == {"cli", "shipped"}


def test_only_the_local_stack_imports_the_local_redshift() -> None:
    knowing = {_name(path).split("/")[1] for path in PACKAGE if any(name.startswith("redshift_local") for name in _imported(path))}
    assert knowing == {"local"}


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_has_a_docstring_and_is_short(path: Path) -> None:
    """What must be longer gives its reason in a comment before the first import:

    # Longer than 350 lines: REASON
    # A function of more than 60 lines, NAME: REASON
    """
    text = path.read_text()
    tree = ast.parse(text)
    assert not text.strip() or ast.get_docstring(tree), "no docstring"
    top = re.split(r"^(?:from|import) ", text, maxsplit=1, flags=re.MULTILINE)[0]
    reasoned = bool(re.search(rf"^# Longer than {LONGEST_FILE} lines: \S", top, re.MULTILINE))
    assert reasoned == (text.count("\n") > LONGEST_FILE), "it probably holds two ideas"
    named = set(re.findall(rf"^# A function of more than {LONGEST_FUNCTION} lines, (\w+): \S", top, re.MULTILINE))
    long = {each.name for each in _functions(tree) if (each.end_lineno or 0) - each.lineno >= LONGEST_FUNCTION}
    assert long == named, "it probably does two things"


@pytest.mark.parametrize("path", TESTS, ids=_name)
def test_the_name_of_a_test_is_short(path: Path) -> None:
    names = [each.name for each in _functions(ast.parse(path.read_text())) if each.name.startswith("test_")]
    assert [name for name in names if len(name) > LONGEST_TEST_NAME] == []


def _modules_in_texts(tree: ast.AST) -> set[str]:
    """The modules of tests that programs in strings import, and that are asked for by name."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {name for text in texts for name in re.findall(r"^(?:from|import) (stori_pipeline_tests[\w.]*)", text, re.MULTILINE)}


@pytest.mark.parametrize("path", [path for path in MODULES if not path.is_relative_to(ROOT / "stori_pipeline")], ids=_name)
def test_nothing_imports_a_module_of_tests(path: Path) -> None:
    """What two modules of tests need is in a third module; otherwise one runs, breaks and moves with the other."""
    tree = ast.parse(path.read_text())
    imported = _imported(path) | _modules_in_texts(tree)
    assert [name for name in imported if any(part.startswith("test_") for part in name.split("."))] == []
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & {"importorskip", "pytest.importorskip"}, "a test that may be skipped guards nothing"


def test_the_linters_exceptions_name_files_that_exist() -> None:
    section = (ROOT / "pyproject.toml").read_text().partition("[tool.ruff.lint.per-file-ignores]\n")[2].partition("\n[")[0]
    patterns = re.findall(r'^"(.+?)" = \[', section, re.MULTILINE)
    assert patterns
    assert [pattern for pattern in patterns if not any(ROOT.glob(pattern))] == []


def test_no_module_is_named_utils_or_helpers() -> None:
    nothing = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools"}
    assert [_name(path) for path in MODULES if nothing & set(path.relative_to(ROOT).with_suffix("").parts)] == []


_ASKS_THE_DAY = {"now", "utcnow", "today", "utc_now"}


def _asks_the_day(node: ast.AST) -> bool:
    """Whether it calls something that gives the day: `datetime.now()`, `date.today()`, `time.time()`, `utc_now()`."""
    called = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    names = {each.id for each in called if isinstance(each, ast.Name)} | {each.attr for each in called if isinstance(each, ast.Attribute)}
    return bool(names & _ASKS_THE_DAY) or any(ast.unparse(each) == "time.time" for each in called)


def test_only_the_clock_reads_the_date_of_the_system() -> None:
    """So that a clock can be passed in, and a reader can find every place where time enters."""
    asking = {
        _name(path)
        for path in PACKAGE
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.Attribute) and ast.unparse(each) in {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    }
    assert asking == {"stori_pipeline/clock.py"}


def test_a_test_module_that_reads_the_date_is_marked_clock() -> None:
    asking = [path for path in TESTS if _asks_the_day(ast.parse(path.read_text()))]
    assert len(asking) > 5
    assert [_name(path) for path in asking if "pytest.mark.clock" not in path.read_text()] == []


def test_requirements_are_pinned_hashed_and_name_no_index() -> None:
    text = (ROOT / "requirements.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(-index-url|-extra-index-url|i |-find-links|f |-trusted-host)", text, re.MULTILINE)
    packages = [each for each in re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)) if each.strip()]
    assert len(packages) > 50
    assert [each.splitlines()[0] for each in packages if not re.match(r"[A-Za-z0-9._\[\]-]+==\S+", each)] == []
    assert [each.splitlines()[0] for each in packages if "--hash=sha256:" not in each] == []


def test_requirements_hold_what_the_local_redshift_needs_and_not_itself() -> None:
    pinned = set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[\w+\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    declared = (ROOT / "redshift_local" / "pyproject.toml").read_text()
    needs = re.findall(r'^  "([A-Za-z0-9._-]+)",', declared, re.MULTILINE)
    needs += [name for line in re.findall(r"^test = \[(.*)\]$", declared, re.MULTILINE) for name in re.findall(r'"([A-Za-z0-9._-]+)', line)]
    assert {"psycopg2-binary", "moto"} <= set(needs)
    assert sorted(set(needs) - pinned) == []
    assert "redshift-local" not in pinned


def _texts() -> list[tuple[str, str]]:
    found = []
    for path in TRACKED:
        if path.exists():
            body = path.read_bytes()
            if b"\0" not in body:
                found.append((_name(path), body.decode()))
    return found


def test_no_path_of_this_machine_is_in_git() -> None:
    # A clone right below the root has a path such as /data, which many texts hold.
    here = rf"|(?<![\w./-]){re.escape(str(ROOT))}(?![\w-])" if len(ROOT.parts) > 2 else ""
    home = re.compile(r"/(?:home|Users)/[a-z]|/root[/]" + here)
    assert [(name, home.search(text)) for name, text in _texts() if home.search(text)] == []


def test_no_secret_is_in_git() -> None:
    secret = re.compile(
        r"\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{30,}|\bxox[abp]-[A-Za-z0-9-]{10,}"
        r"|aws_secret_access_key\s*=\s*[\"']?[A-Za-z0-9/+]{40}\b|://[^/\s:@{}$…]+:[A-Za-z0-9_-]{24,}@"
    )
    assert [(name, secret.search(text)) for name, text in _texts() if secret.search(text)] == []
    names = {_name(path) for path in TRACKED}
    assert not {name for name in names if name.split("/")[-1].startswith(".env") or name.startswith(".stori")}


def test_the_license_is_the_one_that_the_package_names() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()


def test_every_rule_under_sql_checks_is_a_check_of_its_mirror_or_report() -> None:
    from stori_pipeline.defs.build import build_defs
    from stori_pipeline.defs.keys import relation_key
    from stori_pipeline.project import load_project

    keys = {
        ("/".join(key.asset_key.path), key.name) for checks in build_defs(load_project()).asset_checks or () for key in checks.check_keys
    }
    files = sorted((ROOT / "sql" / "checks").rglob("*.sql"))
    assert files
    for file in files:
        source, table, rule = file.relative_to(ROOT / "sql" / "checks").with_suffix("").parts
        assert ("/".join(relation_key(f"{source}.{table}").path), rule) in keys
