"""What `make docs` does beside building the pages of `docs/`: a hook of MkDocs.

Belongs here: pages whose text is elsewhere in the repository (`ELSEWHERE`), the list of decisions, and the check that a page loads nothing
from another host. Does not belong here: the order of the pages, and how they look (`mkdocs.yml`).
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "redshift_local/README.md": "redshift-local.md",
    "data/README.md": "data.md",
}
"""Page of the site by file of the repository, for files outside `docs/`."""

_LINK = re.compile(r"(!?)\[([^\]\[]+)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_FOREIGN = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the section of decisions, so that a new one needs no line in `mkdocs.yml`."""
    decisions = sorted(f"adr/{each.name}" for each in (ROOT / "docs" / "adr").glob("*.md"))
    config.nav = [{name: decisions if place == "adr/" else place} for each in config.nav or [] for name, place in each.items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages whose text is elsewhere."""
    for path, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Make links between files of the repository links between pages. A file that is not in the site is named and not linked."""
    here = next((path for path, name in ELSEWHERE.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")
    folder = posixpath.dirname(page.file.src_uri) or "."

    def link(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups(default="")
        place = _place(posixpath.normpath(posixpath.join(posixpath.dirname(here), target)))
        return f"{picture}[{text}]({posixpath.relpath(place, folder)}{anchor})" if place else text

    return _LINK.sub(link, markdown)


def _place(path: str) -> str:
    """Where the site has a file of the repository, from the site's root; "" if it has not. A folder's place is its first page."""
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    first = min((ROOT / path).glob("*.md"), default=ROOT / path)
    name = first.relative_to(ROOT).as_posix()
    return name.removeprefix("docs/") if name.startswith("docs/") else ""


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Refuse a page that would load something from another host, so that the site works without a network.

    Raises:
        PluginError: the page names such an address.
    """
    foreign = [address for address in _FOREIGN.findall(output) if "canonical" not in address]
    if foreign:
        raise PluginError(f"{page.file.src_uri}: the page would load {', '.join(foreign)}; take it from the site itself")
    return output
