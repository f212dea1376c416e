"""Which project a command stands in, and what its package defines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stori_pipeline.discovery import NoProject, ProjectError, ProjectPackage, current, named_object, project_root
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline_tests.discovery.projects import TABLE, forgotten, write_project

CRM = TABLE.format(source="crm", table="people")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder as the working directory, and no project in the environment."""
    monkeypatch.delenv("STORI_PROJECT")
    monkeypatch.chdir(tmp_path)
    with forgotten(tmp_path, "stranger"):
        yield tmp_path


def test_a_project_is_found_from_a_folder_below_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(folder, "stranger", {"catalog/crm.py": CRM, "deep/er/file.txt": ""})
    monkeypatch.chdir(folder / "stranger" / "deep" / "er")
    assert project_root() == folder
    assert [table.full_name for table in current().tables] == ["crm.people"]


def test_a_pyproject_of_another_tool_is_not_a_project(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(NoProject, match=r"is in no project of stori; .* `stori init NAME`"):
        current()


def test_the_setting_names_a_project_where_there_is_no_pyproject(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORI_PROJECT", "stori_pipeline.project")
    assert current().name == "stori_pipeline"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.stori]\nproject = 'stranger.absent'\n", "module 'stranger.absent' is not in"),
        ("[tool.stori]\n", "has .tool.stori. without `project`"),
        ("[tool]\nstori = 1\n", "must be a table"),
        ("[tool.stori\n", "cannot be read"),
        ("[tool.stori]\nproject = 'stranger.catalog'\n", "has no PROJECT"),
    ],
)
def test_a_wrong_pyproject_is_named_with_what_to_do(folder: Path, text: str, message: str) -> None:
    write_project(folder, "stranger")
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(ProjectError, match=message):
        current()


def test_a_module_that_cannot_be_imported_is_named(folder: Path) -> None:
    write_project(folder, "stranger", {"catalog/crm.py": "import absent_library\n"})
    with pytest.raises(ModuleNotFoundError, match="absent_library"):
        assert current().tables


def test_star_tables_of_several_modules_come_after_their_inputs(folder: Path) -> None:
    first = """
        from stori_pipeline.model.star import StarSchema
        from stori_pipeline.model.table import Column
        from stori_pipeline.model.types import integer
        from stranger.star import zebra
        SCHEMA = StarSchema(*zebra.SCHEMA.tables)

        @SCHEMA.star_table(Column("id", integer, nullable=False, path="base.id"), key="id")
        def above(base):
            return base
        """
    second = """
        from stori_pipeline.model.star import StarSchema
        from stori_pipeline.model.table import Column
        from stori_pipeline.model.types import integer
        from stranger.catalog import crm
        SCHEMA = StarSchema(*crm.TABLES)

        @SCHEMA.star_table(Column("id", integer, nullable=False, path="people.id"), key="id")
        def base(people):
            return people
        """
    write_project(folder, "stranger", {"catalog/crm.py": CRM, "star/__init__.py": "", "star/apple.py": first, "star/zebra.py": second})
    assert [star.table.full_name for star in current().stars] == ["star.base", "star.above"]
    assert [star.table.full_name for star in current().project.stars] == ["star.base", "star.above"]


def test_sql_lies_in_the_package_or_beside_it(folder: Path) -> None:
    report = "-- People.\nSELECT id FROM crm.people\n"
    write_project(folder, "stranger", {"catalog/crm.py": CRM, "../sql/reports/people.sql": report})
    assert [each.full_name for each in current().project.reports] == ["reports.people"]
    package = ProjectPackage("stranger")
    (folder / "stranger" / "sql").mkdir()
    assert package.project.reports == ()


def test_a_project_without_anything_is_one(folder: Path) -> None:
    write_project(folder, "stranger")
    assert (current().sources, current().project.tables, current().project.stars) == ((), (), ())


@pytest.mark.parametrize("name", ["star", "reports", "pipeline", "warehouse", "landing", "pg_x"])
def test_a_source_cannot_have_a_name_of_the_platform(folder: Path, name: str) -> None:
    write_project(folder, "stranger", {"catalog/own.py": TABLE.format(source=name, table="people")})
    with pytest.raises(DefinitionError, match=f"'{name}' is a name of the platform"):
        assert current().project


def test_two_definitions_of_one_name_are_refused(folder: Path) -> None:
    write_project(folder, "stranger", {"catalog/one.py": CRM, "catalog/two.py": CRM})
    with pytest.raises(DefinitionError, match=r"crm\.people: two definitions have that name"):
        assert current().project


def test_an_unknown_table_or_source_is_refused_with_what_there_is(folder: Path) -> None:
    write_project(folder, "stranger", {"catalog/crm.py": CRM})
    with pytest.raises(DefinitionError, match=r"no source table 'crm\.persons'; it has crm\.people"):
        current().find_table("crm.persons")
    with pytest.raises(DefinitionError, match=r"no source 'erp'; it has crm\. Add it with `stori add source erp`"):
        current().find_source("erp")


@pytest.mark.parametrize("name", ["absent:thing", "stori_pipeline.project:absent", "stori_pipeline.project"])
def test_a_name_that_names_nothing_is_refused(name: str) -> None:
    with pytest.raises(ProjectError, match="names nothing"):
        named_object(name)
