"""A new source of a project: its module, and its setting in `.env.example`.

Belongs here: writing both, and nothing twice. Does not belong here: the definitions of its tables (`readers.scaffold`).
"""

from __future__ import annotations

import keyword
from pathlib import Path

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import refuse_bad_source_name
from stori_pipeline.model.source import Source
from stori_pipeline.readers import source_kind
from stori_pipeline.readers.definition_modules import module_text
from stori_pipeline.settings.declared import source_setting


def add_source(catalog: Path, root: Path, name: str, kind: str, description: str) -> list[Path]:
    """Write the source's module into the folder `catalog` of the project at `root`, and its setting into `.env.example`.

    Returns the files that it wrote: none of a source that has both already.

    Raises:
        DefinitionError: the name cannot be a source's.
        SourceError: there is no such kind.
    """
    refuse_bad_source_name(name)
    if keyword.iskeyword(name) or name in ("checks", "charts"):
        raise DefinitionError(f"source: {name!r} cannot be a module of the catalog; choose another name")
    example = source_kind(kind).EXAMPLE_URL
    module, settings = catalog / f"{name}.py", root / ".env.example"
    written = []
    if not module.exists():
        catalog.mkdir(exist_ok=True)
        module.write_text(module_text(Source(name, kind, description), ()), encoding="utf-8")
        written.append(module)
    before = settings.read_text(encoding="utf-8") if settings.exists() else ""
    if f"{source_setting(name).name}=" not in before:
        gap = "" if not before or before.endswith("\n") else "\n"
        settings.write_text(f"{before}{gap}{source_setting(name).name}={example}\n", encoding="utf-8")
        written.append(settings)
    return written
