"""The README and the pages under docs: complete, with valid links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import stori_pipeline.model as vocabulary
from stori_pipeline import settings
from stori_pipeline.api import create_app
from stori_pipeline.catalog.charts import CHARTS
from stori_pipeline.cli import main
from stori_pipeline.definitions import defs
from stori_pipeline.discovery import named_object
from stori_pipeline.project import PROJECT, REPORTS_FOLDER
from stori_pipeline.readers import READERS
from stori_pipeline.shipped.payments import extension
from stori_pipeline_tests.readme import README, ROOT, WAREHOUSE
from stori_pipeline_tests.shipped import SERVERS, SOURCES, STARS

PACKAGE = ROOT / "stori_pipeline"
HOW_IT_WORKS = (ROOT / "docs" / "how-it-works.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "redshift_local" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WORDS = [
    *("source table", "table definition", "project", "reader", "position", "batch", "part", "manifest", "generation"),
    *("landing", "mirror", "star", "warehouse", "ledger", "quarantine"),
]


@pytest.mark.parametrize("target", re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
def test_the_readme_names_every_target_of_make(target: str) -> None:
    assert target == "help" or f"make {target}" in README


COMMANDS = sorted({*main.commands, *(command.name for command in named_object(PROJECT.commands))})


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_every_command(command: str) -> None:
    assert f"`stori {command}" in README


def section(page: str, heading: str) -> str:
    """The text below a heading of the second level."""
    assert f"\n## {heading}\n" in page
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def names(page: str, heading: str) -> list[str]:
    """The names in code in the first column of a section's tables."""
    cells = re.findall(r"^\| ([^|]+) \|", section(page, heading), re.MULTILINE)
    return sorted(name for cell in cells for name in re.findall(r"`([^`]+)`", cell))


def test_the_readme_lists_the_sources_with_their_kinds_and_no_others() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", section(README, "Where rows come from"), re.MULTILINE)
    assert sorted(rows) == sorted((source.name, source.kind) for source in SOURCES)
    assert {kind for _, kind in rows} <= set(READERS)


def test_the_readme_lists_the_reports_and_no_others() -> None:
    assert names(README, "What is made from them") == sorted(file.stem for file in REPORTS_FOLDER.rglob("*.sql"))


def test_the_documents_list_the_charts_their_reports_and_no_others() -> None:
    rows = re.findall(r"^\| (`.+`) \| `(\w+)` \|", section(WAREHOUSE, "Charts"), re.MULTILINE)
    listed = sorted((chart, report) for charts, report in rows for chart in re.findall(r"`(\w+)`", charts))
    assert listed == sorted((chart.name, chart.report) for chart in CHARTS)


def test_the_readme_names_every_group_of_assets() -> None:
    paths = [(spec.group_name or "").split("/") for spec in defs.resolve_all_asset_specs()]
    groups = {path[0] for path in paths}
    assert {"bank", "star", "reports", "charts"} <= groups
    assert {path[1] for path in paths if path[1:]} == {"source", "lake", "warehouse"}
    assert sorted(group for group in groups if f"`{group}`" not in README) == []


def test_the_documents_name_every_server_of_the_local_stack() -> None:
    assert names((ROOT / "docs" / "operating.md").read_text(), "The local stack") == sorted(SERVERS)
    assert sorted(server for server in SERVERS if f"`{server}`" not in section(README, "On AWS")) == []


def test_the_documents_name_every_schema_and_relation_of_the_star() -> None:
    schemas = {source.name for source in SOURCES} | {"star", "reports", "pipeline"}
    assert schemas == set(names(WAREHOUSE, "Schemas"))
    views = [alias for star in STARS.values() for alias in star.table.aliases]
    views += [f"{star.name}_current" for star in STARS.values() if isinstance(star.table.changes, vocabulary.History)]
    assert sorted(name for name in (*STARS, *views) if f"`{name}`" not in WAREHOUSE) == []


def test_the_documents_name_every_address_of_the_api() -> None:
    app = create_app(
        settings.Settings({"STORI_WAREHOUSE_READER": "postgresql://nowhere", "STORI_PROCESSED_BUCKET": "none"}), extend=extension
    )
    listed = {name.replace("<", "{").replace(">", "}") for name in names(WAREHOUSE, "The API")}
    assert listed == {*app.openapi()["paths"], "/docs", "/openapi.json"}


@pytest.mark.parametrize("word", WORDS)
def test_the_readme_explains_every_word(word: str) -> None:
    table = README.partition("## The words")[2].partition("\n## ")[0]
    named = {name.strip() for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for name in row.split(",")}
    assert word in named


def test_the_documents_name_every_setting_that_anything_reads() -> None:
    listed = {name for name in names((ROOT / "docs" / "operating.md").read_text(), "Settings") if name.startswith("STORI_")}
    files = [ROOT / "dagster.yaml", ROOT / "Makefile", *(ROOT / "stori_pipeline").rglob("*.py")]
    read = {name for file in files for name in re.findall(r"(?<!_)STORI_[A-Z_]*[A-Z]", file.read_text())} | {"STORI_SOURCE_BANK"}
    assert {"STORI_SOURCE_BANK", "STORI_WAREHOUSE", "STORI_DAGSTER_STORAGE"} <= read
    assert listed == {re.sub(r"^STORI_(SOURCE|ADMIN)(_[A-Z]+)?$", r"STORI_\1_<NAME>", name) for name in read}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z][\w/]*(?:\.py|\.sql|/))`", HOW_IT_WORKS))))
def test_every_file_and_folder_that_the_page_of_the_path_names_exists(name: str) -> None:
    """From the root or from the package; a file without its folder is anywhere in the package. Names in a bucket begin with `_`."""
    places = [ROOT / name, PACKAGE / name] if "/" in name else [PACKAGE / name, *PACKAGE.rglob(name)]
    assert any(place.exists() for place in places)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_mentions_exists(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"`stori ([a-z-]+)", text)) <= set(COMMANDS)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= targets
