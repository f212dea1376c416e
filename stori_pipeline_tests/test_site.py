"""The documentation's site: `make docs` builds it and refuses more; what is here needs no builder.

Belongs here: that its pages and its reference are complete. Does not belong here: what the pages say (`test_readme`).
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest
import yaml

from stori_pipeline_tests.readme import ROOT

DOCS = ROOT / "docs"
_SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
_HOOK = (DOCS / "site" / "pages.py").read_text()
ELSEWHERE = dict(re.findall(r'^    "([^"]+\.md)": "([^"]+\.md)",$', _HOOK, re.MULTILINE))
DOCUMENTED = sorted({name for page in DOCS.rglob("*.md") for name in re.findall(r"^::: ([\w.]+)$", page.read_text(), re.MULTILINE)})


def _pages(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [page for each in (nav.values() if isinstance(nav, dict) else nav) for page in _pages(each)]


def test_the_navigation_names_every_page_once() -> None:
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if page.parent != DOCS / "adr"]
    assert sorted(_pages(_SITE["nav"])) == sorted(["adr/", *pages, *ELSEWHERE.values()])
    assert [path for path in ELSEWHERE if not (ROOT / path).exists()] == []
    assert "README.md" in ELSEWHERE


def test_the_site_is_strict_and_loads_no_font_from_elsewhere() -> None:
    assert _SITE["strict"] is True
    assert _SITE["theme"]["font"] is False
    assert _SITE["hooks"] == ["docs/site/pages.py"]
    assert "strict" not in (ROOT / "Makefile").read_text().partition("\ndocs:")[2].partition("\n\n")[0]


def _named(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_what_the_reference_names_is_public_and_explained(name: str) -> None:
    assert "._" not in name
    documented = inspect.getdoc(_named(name)) or ""
    # A dataclass without a docstring gets its signature as one.
    assert len(documented.split()) > 3
    assert not documented.startswith(f"{name.rpartition('.')[2]}(")


def test_the_reference_has_what_definitions_are_written_with() -> None:
    import stori_pipeline.model as vocabulary

    classes = {name for name in vocabulary.__all__ if inspect.isclass(getattr(vocabulary, name))}
    kept_for_stars = {"Changes", "History", "Rebuilt", "Type"}
    named = {name.rpartition(".")[2] for name in DOCUMENTED}
    assert classes - kept_for_stars <= named
    assert {"Project", "build_defs", "StarSchema", "check", "Chart", "S3ParquetIOManager", "RedshiftIOManager", "Reader"} <= named
