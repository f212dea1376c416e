"""What is in the wheel, and that the platform works from it in an empty folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

from stori_pipeline_tests.anybody.installed import ROOT, InstalledProject


def test_the_wheel_has_the_sql_the_templates_and_the_types_marker(wheels: list[Path]) -> None:
    names = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()}
    assert names >= {f"stori_pipeline/{path.relative_to(ROOT)}" for path in (ROOT / "sql").rglob("*.sql")}
    templates = (ROOT / "stori_pipeline" / "projects" / "templates").rglob("*.tmpl")
    assert names >= {str(path.relative_to(ROOT)) for path in templates}
    assert names >= {"stori_pipeline/py.typed", "redshift_local/py.typed", "stori_pipeline/projects/dagster.yaml"}
    assert not [name for name in names if "_tests/" in name or name.endswith(".pyc")]


def test_the_shipped_project_loads_from_the_wheel(shop: InstalledProject, tmp_path: Path) -> None:
    program = (
        "import stori_pipeline, stori_pipeline.definitions as d\n"
        "print(stori_pipeline.__file__, len(d.PROJECT.project.reports), len(list(d.defs.jobs or [])) > 0)"
    )
    where, reports, jobs = InstalledProject(tmp_path, shop.bin).run("python", "-c", program).expect(0).out.split()
    assert Path(where).is_relative_to(shop.bin.parent)
    assert (reports, jobs) == ("12", "True")


def test_a_project_without_tables_says_what_to_do(shop: InstalledProject, tmp_path: Path) -> None:
    """Regression: a sync said that no source had changed."""
    InstalledProject(tmp_path, shop.bin).stori("init", "bare")
    bare = InstalledProject(tmp_path / "bare", shop.bin)
    assert "no source tables yet: add a source with `stori add source`" in bare.stori("sync").err


def test_the_projects_own_test_passes(shop: InstalledProject) -> None:
    ended = shop.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider").expect(0)
    assert "1 passed" in ended.out
