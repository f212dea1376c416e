"""The page `/docs` without a network: all that it loads comes from the API itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from stori_pipeline.api import create_app
from stori_pipeline.api.serving import serve_in_thread
from stori_pipeline.settings import Settings

_ASSET = re.compile(
    r"""(?:src|href)=["']([^"']+)["']|\burl:\s*["']([^"']+)["']|oauth2RedirectUrl:\s*window\.location\.origin \+ '([^']+)'"""
)
_MEDIA_TYPES = {".js": "javascript", ".css": "text/css", ".png": "image/png", ".json": "application/json"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server of the API. Its documentation needs neither warehouse nor bucket."""
    settings = {"STORI_WAREHOUSE_READER": "postgresql://127.0.0.1:1/none", "STORI_PROCESSED_BUCKET": "none", "STORI_API_KEY": "k3y"}
    with serve_in_thread(create_app(Settings(settings))) as served:
        yield served


def _assets(page: httpx.Response) -> list[str]:
    """Every address that the page names, absolute."""
    found = [next(filter(None, groups)) for groups in _ASSET.findall(page.text)]
    return [urljoin(str(page.url), each) for each in found]


def test_the_documentation_takes_every_asset_from_its_own_host(address: str) -> None:
    page = httpx.get(f"{address}/docs")
    assert page.status_code == 200
    assets = _assets(page)
    assert {urlsplit(each).path.rpartition(".")[2] for each in assets} >= {"js", "css", "png", "json"}
    assert [each for each in assets if urlsplit(each).netloc != urlsplit(address).netloc] == []
    for each in assets:
        answer = httpx.get(each)
        ending = f".{urlsplit(each).path.rpartition('.')[2]}"
        assert (answer.status_code, _MEDIA_TYPES.get(ending, "text/html") in answer.headers["content-type"]) == (200, True), each
        assert len(answer.content) > 500, each


def test_the_documentation_names_no_other_host(address: str) -> None:
    page = httpx.get(f"{address}/docs")
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", page.text) == []
    styles = [httpx.get(each).text for each in _assets(page) if urlsplit(each).path.endswith(".css")]
    assert styles
    loaded = [url for style in styles for url in re.findall(r"url\(\s*[\"']?([^\"')]{4})|@import", style)]
    assert [each for each in loaded if each != "data"] == []


def test_no_other_page_of_documentation_is_served(address: str) -> None:
    """FastAPI's second one takes a font and a script from elsewhere."""
    assert httpx.get(f"{address}/redoc").status_code == 404
