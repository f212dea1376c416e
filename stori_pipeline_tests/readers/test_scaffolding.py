"""The text of suggested definitions: linters, formatters and mypy accept it, and it means what was suggested."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.readers.definition_modules import extended, module_text
from stori_pipeline.readers.scaffolding import SuggestedColumn, SuggestedTable, definition, text
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.pasting import pasted

CRM = Source("crm", "postgres", 'Customers, and what they "say" of it\'s price.')

PEOPLE = SuggestedTable(
    name="people",
    columns=(
        SuggestedColumn("id", "bigint", nullable=False, path="ID"),
        SuggestedColumn("name", "varchar(65535)", description='It\'s a "name"\nwith \\ and é'),
        SuggestedColumn("a_column_with_a_long_name_of_about_sixty_characters_or_so", "decimal(38, 10)", path="A Long Name"),
        SuggestedColumn("note", "super_", description="What people say of it, " * 12, notes=("a guess: " + "a long reason " * 9,)),
        SuggestedColumn("a", "timestamptz", description="A text that ends within a hundred and forty characters is not cut in two pieces."),
    ),
    key=("id",),
    changes="Xmin()",
    package="stori_pipeline.readers.postgres",
    source_name='person."the ""people"""',
    notes=("A comment above the table",),
    key_notes=("a guess: no two rows have the same",),
)
RATES = SuggestedTable(
    name="rates",
    columns=(SuggestedColumn("day", "date", nullable=False), SuggestedColumn("rate", "double")),
    key=("day",),
    changes='ByDay(start=datetime.date(2024, 1, 1), latest="latest", day_at="date", rows_at="rates", entry=("name", "value"))',
    package="stori_pipeline.readers.http_api",
    more={"cursor": '"day"'},
)


def run_module(text: str) -> dict[str, Any]:
    known: dict[str, Any] = {}
    exec(compile(text, "catalog", "exec"), known)  # noqa: S102  (running what is written is the test)
    return known


def checked(folder: Path, text: str, *arguments: str) -> None:
    """Fails unless ruff has nothing to say of the text, nor would format it otherwise."""
    file = folder / "crm.py"
    file.write_text(text)
    ruff = Path(sys.executable).parent / "ruff"
    for command in (["check", "--no-cache"], ["format", "--no-cache", "--diff"]):
        done = subprocess.run([ruff, *command, *arguments, str(file)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + text


def both_styles(folder: Path, text: str) -> None:
    checked(folder, text, "--isolated")
    checked(folder, text, "--config", str(Path(__file__).parents[2] / "pyproject.toml"))


def test_a_definition_can_be_pasted_with_its_imports() -> None:
    table = pasted(definition(PEOPLE), CRM)
    assert (table.name, table.source_name, table.key) == ("people", 'person."the ""people"""', ("id",))
    assert [(c.name, str(c.type), c.nullable, c.path, c.description) for c in table.columns] == [
        (c.name, c.type.rstrip("_").replace(", ", ","), c.nullable, c.path, c.description) for c in PEOPLE.columns
    ]
    assert pasted(definition(RATES), CRM).cursor == "day"


@pytest.mark.parametrize("tables", [[], [PEOPLE], [PEOPLE, RATES]], ids=len)
def test_a_module_passes_linters_and_formatters(tmp_path: Path, tables: Sequence[SuggestedTable]) -> None:
    written = module_text(CRM, tables, ["crm.secrets: the role may not read it; run GRANT SELECT ON secrets TO reader " * 3])
    both_styles(tmp_path, written)
    known = run_module(written)
    assert known["SOURCE"] == CRM
    assert [table.name for table in known["TABLES"]] == [table.name for table in tables]


def test_a_module_passes_mypy(tmp_path: Path) -> None:
    (tmp_path / "crm.py").write_text(module_text(CRM, [PEOPLE, RATES]))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", tmp_path / "cache", tmp_path / "crm.py"],
        capture_output=True, text=True, timeout=200, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "before",
    [
        module_text(CRM, []),
        module_text(CRM, [RATES]),
        module_text(CRM, [replace(PEOPLE, name="others")]),
        module_text(CRM, [RATES, replace(RATES, name="other_rates")]).replace("    ),\n)\n", "    )\n)  # the end\n"),
        'from stori_pipeline.model.source import Source\n\nSOURCE = Source("crm", "postgres", "")\nTABLES = ()\n',
    ],
    ids=["empty", "another kind", "the same imports", "no comma at its end", "written by hand"],
)
def test_a_module_is_extended_and_keeps_all_that_it_has(tmp_path: Path, before: str) -> None:
    after = extended(before, [PEOPLE, replace(RATES, name="more_rates")])
    known = run_module(after)
    assert [table.name for table in known["TABLES"]] == [*(t.name for t in run_module(before)["TABLES"]), "people", "more_rates"]
    assert [line for line in before.splitlines() if line.strip() not in after and "import" not in line and "TABLES" not in line] == []
    checked(tmp_path, after, "--isolated", "--config", 'lint.extend-select=["I"]')


def test_a_module_in_one_line_is_extended() -> None:
    before = 'from stori_pipeline.model import Source\nONE = 1\nSOURCE = Source("crm", "postgres", "")\nTABLES = (ONE, ONE)\n'
    assert [getattr(table, "name", 1) for table in run_module(extended(before, [PEOPLE]))["TABLES"]] == [1, 1, "people"]


def test_a_module_without_tables_is_refused_with_what_to_do() -> None:
    with pytest.raises(DefinitionError, match=r"has no `TABLES = \(…\)`"):
        extended("X = 1\n", [PEOPLE])


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@given(_TEXTS)
@settings(max_examples=extent(300, 3_000))
def test_every_text_is_written_as_the_literal_that_means_it(value: str) -> None:
    assert eval(text(value)) == value  # noqa: S307


@given(st.lists(st.tuples(_TEXTS, _TEXTS), min_size=1, max_size=3))
def test_every_path_and_description_survive_in_a_module(texts: list[tuple[str, str]]) -> None:
    columns = tuple(
        SuggestedColumn(f"c{n}", "varchar(9)", path=path, description=words, notes=(words,), nullable=n > 0)
        for n, (path, words) in enumerate(texts)
    )
    written = module_text(CRM, [replace(PEOPLE, columns=columns, key=("c0",), source_name=texts[0][0], notes=(texts[0][1],))])
    (table,) = run_module(written)["TABLES"]
    assert isinstance(table, Table)
    assert [(column.source_path, column.description) for column in table.columns] == texts
    assert table.name_in_source == texts[0][0]
