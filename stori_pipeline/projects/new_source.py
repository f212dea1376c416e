"""A new source of a project: its module, and its setting in `.env.example`.

Belongs here: writing both, and nothing twice. Does not belong here: the definitions of its tables (`readers.scaffold`).
"""

from __future__ import annotations

import keyword
from pathlib import Path
from string import Template

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import refuse_bad_source_name
from stori_pipeline.readers import source_kind

_MODULE = Template('''\
"""The source `$name`.

Belongs here: the definitions of its tables. `stori scaffold $name --all --write` adds them.
"""

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table

SOURCE = Source(
    name="$name",
    kind="$kind",
    description=$description,
)

TABLES: tuple[Table, ...] = ()
''')


def setting_of(name: str) -> str:
    """The setting that holds a source's address."""
    return f"STORI_SOURCE_{name.upper()}"


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
        text = _MODULE.substitute(name=name, kind=kind, description=_literal(description))
        module.write_text(text, encoding="utf-8")
        written.append(module)
    before = settings.read_text(encoding="utf-8") if settings.exists() else ""
    if f"{setting_of(name)}=" not in before:
        gap = "" if not before or before.endswith("\n") else "\n"
        settings.write_text(f"{before}{gap}{setting_of(name)}={example}\n", encoding="utf-8")
        written.append(settings)
    return written


def _literal(text: str) -> str:
    """A text as a Python literal, with the quotes that a formatter would choose."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    if '"' in text and "'" not in text:
        return f"'{escaped}'"
    return '"' + escaped.replace('"', '\\"') + '"'
