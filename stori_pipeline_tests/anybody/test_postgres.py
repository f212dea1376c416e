"""A stranger's Postgres, from an empty folder to a proved warehouse, with the wheels alone and no line edited by hand."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.anybody.installed import InstalledProject, wait_until
from stori_pipeline_tests.databases import execute

CRM = (Path(__file__).parent / "crm.sql").read_text()
RELATIONS = """
    SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
GRANTS = """
    GRANT USAGE ON SCHEMA "Sales Data", hr TO reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA public, "Sales Data", hr TO reader;
"""


@pytest.fixture(scope="module")
def owner(idle_stack: Stack) -> Iterator[str]:
    """The address of the stranger's database for its owner."""
    name = f"crm_{uuid.uuid4().hex[:8]}"
    idle_stack.up(only=["sources"], ports={"sources": 0})
    idle_stack.create_source_database(name)
    execute(idle_stack.postgres_url("sources", "postgres", name), CRM + GRANTS)
    yield idle_stack.postgres_url("sources", "postgres", name)
    idle_stack.drop_source_database(name)


@pytest.fixture(scope="module")
def added(shop: InstalledProject, owner: str, idle_stack: Stack) -> InstalledProject:
    """The project with the database as its source `crm`."""
    url = idle_stack.postgres_url("sources", "reader", owner.rpartition("/")[2].partition("?")[0])
    ended = shop.stori("add", "source", "crm", "--kind", "postgres", "--url", url)
    assert "The connection works: PostgreSQL" in ended.err
    assert "GRANT SELECT ON ALL TABLES" in ended.err
    shop.stori("scaffold", "crm", "--all", "--write")
    return shop


def test_every_table_of_a_strangers_database_is_equal(added: InstalledProject, owner: str) -> None:
    added.stori("sync")
    # The project may have sources of the other tests, too.
    proofs = [each for each in added.stori("verify", "--json").json if each["table"].startswith("crm.")]
    assert [each["table"] for each in proofs if not each["equal"]] == []
    ((tables,),) = execute(owner, RELATIONS)
    assert len(proofs) == tables >= 14
    assert sum(each["source_rows"] for each in proofs) > 500


def test_its_dagster_dev_shows_the_tables_and_its_sensor_brings_a_change(added: InstalledProject, owner: str) -> None:
    warehouse = dict(line.split("=", 1) for line in (added.folder / ".env").read_text().splitlines())["STORI_WAREHOUSE"].strip("'\"")
    with added.dagster_dev() as ask:
        wait_until(lambda: bool(ask("{ assetNodes { assetKey { path } } }")["assetNodes"]), (added.folder / "dev.log").read_text)
        keys = {"/".join(node["assetKey"]["path"]) for node in ask("{ assetNodes { assetKey { path } } }")["assetNodes"]}
        assert {"crm/people", "landing/crm/people", "warehouse/crm/people"} <= keys
        execute(owner, "INSERT INTO people (name) VALUES ('Grace')")
        wait_until(
            lambda: execute(warehouse, "SELECT COUNT(*) FROM crm.people WHERE name = 'Grace'") == [(1,)],
            (added.folder / "dev.log").read_text,
        )
