"""A project's package: where its tables, star tables, checks, reports and charts are, and what else it adds.

Belongs here: importing the definitions from the package's folders. Does not belong here: finding the package (`folder`), or what a
definition means (`model`).
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stori_pipeline.discovery.errors import ProjectError

if TYPE_CHECKING:
    from stori_pipeline.model.project import Project
    from stori_pipeline.model.source import Source
    from stori_pipeline.model.star import Star
    from stori_pipeline.model.table import Table


@dataclass(frozen=True)
class LocalSources:
    """Sources that the local stack serves on a laptop, with the settings `STORI_SOURCE_<NAME>` that lead to them.

    Attributes:
        postgres: sources that are a database of the stack's Postgres.
        mongodb: sources that are a database of the stack's MongoDB.
        queues: name of the queue by source.
        buckets: name of the bucket by source.
        programs: classes of servers of the project's own, as `module:Class`: see `local.program.Program`.
    """

    postgres: tuple[str, ...] = ()
    mongodb: tuple[str, ...] = ()
    queues: Mapping[str, str] = field(default_factory=dict)
    buckets: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ProjectPackage:
    """A Python package that defines a project. Nothing of it is imported before it is needed.

    Attributes:
        name: the package. It has the packages `catalog` (one module per source, with `SOURCE` and `TABLES`; optionally `checks` with
            checks in Python, and `charts` with `CHARTS`) and `star` (modules with a `SCHEMA`), and the folder `sql` (`checks/`,
            `reports/`), which may also stand beside the package.
        api: what the project adds to the HTTP API, as `module:function`: see `api.extension.Extension`.
        commands: click commands that the project adds to `stori`, as `module:tuple`.
        local: the sources that the local stack serves.
    """

    name: str
    api: str = ""
    commands: str = ""
    local: LocalSources = field(default_factory=LocalSources)

    @functools.cached_property
    def folder(self) -> Path:
        """The folder of the package."""
        spec = importlib.util.find_spec(self.name)
        if spec is None or not spec.submodule_search_locations:
            raise ProjectError(f"the project's package {self.name!r} is not on the path of this Python; correct its name")
        return Path(next(iter(spec.submodule_search_locations)))

    @functools.cached_property
    def sql(self) -> Path:
        """The folder of the project's SQL."""
        inside = self.folder / "sql"
        return inside if inside.is_dir() else self.folder.parent / "sql"

    @functools.cached_property
    def sources(self) -> tuple[Source, ...]:
        """The sources, with and without tables, in the order of their modules' names."""
        from stori_pipeline.model.source import Source

        return tuple(module.SOURCE for module in self._catalog if isinstance(getattr(module, "SOURCE", None), Source))

    @functools.cached_property
    def tables(self) -> tuple[Table, ...]:
        """The source tables, without reading SQL files."""
        return tuple(table for module in self._catalog for table in getattr(module, "TABLES", ()))

    def find_table(self, full_name: str) -> Table:
        """The definition of the source table `source.table`, without reading SQL files.

        Raises:
            DefinitionError: the project does not have the table. The message names the tables that may be meant, and lists all.
        """
        import difflib

        from stori_pipeline.model.errors import DefinitionError

        for table in self.tables:
            if table.full_name == full_name:
                return table
        names = sorted(table.full_name for table in self.tables)
        meant = [name for name in names if name.partition(".")[2] == full_name] or difflib.get_close_matches(full_name, names, 1, 0.8)
        hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
        raise DefinitionError(f"the project has no source table {full_name!r}; it has {', '.join(names) or 'none yet'}.{hint}")

    def find_source(self, name: str) -> Source:
        """The source of that name.

        Raises:
            DefinitionError: the project does not have it. The message lists its sources.
        """
        from stori_pipeline.model.errors import DefinitionError

        for source in self.sources:
            if source.name == name:
                return source
        names = ", ".join(source.name for source in self.sources) or "none yet"
        raise DefinitionError(f"the project has no source {name!r}; it has {names}. Add it with `stori add source {name}`")

    @functools.cached_property
    def project(self) -> Project:
        """All that the project defines. Each process reads its files once.

        Raises:
            DefinitionError: a definition or a file is invalid. The message names it.
        """
        from stori_pipeline.model.check import checks_in
        from stori_pipeline.model.project import Project, refuse_stray_checks
        from stori_pipeline.model.report import load_reports

        stars = self.stars
        reports = tuple(load_reports(self.sql / "reports", self.tables, {star.name: star for star in stars}))
        checks = self.sql / "checks"
        charts = tuple(chart for module in self._catalog for chart in getattr(module, "CHARTS", ()))
        project = Project(self.tables, stars, reports, checks, charts, checks_in(*self._catalog))
        refuse_stray_checks(project.names, checks)
        return project

    @functools.cached_property
    def stars(self) -> tuple[Star, ...]:
        """The star tables of all modules, each after its inputs; else in the order of the modules."""
        from stori_pipeline.model.errors import DefinitionError
        from stori_pipeline.model.star import StarSchema

        schemas = [module.SCHEMA for module in _modules(f"{self.name}.star") if isinstance(getattr(module, "SCHEMA", None), StarSchema)]
        found = [star for schema in schemas for star in schema.stars]
        stars = {star.table.full_name: star for star in found}
        if len(stars) < len(found):
            return tuple(found)  # a name that two functions have, which the project refuses
        sorter = TopologicalSorter({name: [each for each in star.inputs.values() if each in stars] for name, star in stars.items()})
        try:
            return tuple(stars[name] for name in sorter.static_order())
        except CycleError as error:
            raise DefinitionError(f"the star tables {' -> '.join(error.args[1])} are made from one another; break the circle") from error

    @functools.cached_property
    def _catalog(self) -> tuple[ModuleType, ...]:
        return _modules(f"{self.name}.catalog")


def _modules(package: str) -> tuple[ModuleType, ...]:
    """The modules of a package, by name; none if there is no such package."""
    try:
        found = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name == package:
            return ()
        raise ProjectError(f"the package {package} cannot be imported: {error}") from error
    return tuple(importlib.import_module(f"{package}.{each.name}") for each in pkgutil.iter_modules(found.__path__))


def named_object(name: str) -> Any:
    """What `module:name` names.

    Raises:
        ProjectError: there is no such module, or it has no such name.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ProjectError(f"{name!r} names nothing: {error}; write it as `package.module:name`") from error
