"""One asset for each report: a view or a table in the warehouse's schema `reports`.

Belongs here: deriving assets from reports, and what is shown of them. Does not belong here: reading or making a report
(`stori_pipeline.reports`).

A report is made again only where it could come out otherwise: where its file, or a batch of a mirror below it, is another than it was made
from. A run in which nothing has moved costs it one look at the ledger.
"""

import hashlib
import time
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, DataVersion, MaterializeResult, MetadataValue, asset

from stori_pipeline.defs import metadata
from stori_pipeline.defs.keys import relation_key, report_key
from stori_pipeline.defs.materialization_metadata import NOTHING_NEW, last_metadata
from stori_pipeline.defs.resources import WarehouseResource
from stori_pipeline.model.project import Project
from stori_pipeline.model.report import SCHEMA, Report
from stori_pipeline.runtime.retries import RETRY, only_transient
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.dialect import quoted
from stori_pipeline.warehouse.reports import make_report

OWNERS = ("team:analytics",)

_LEDGER = "SELECT target, generation, batch FROM pipeline.loads"
_TABLES = "SELECT table_schema, table_name FROM information_schema.tables"
_TYPES = (
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
)


def report_asset(report: Report, project: Project) -> AssetsDefinition:
    """Its output is optional: a report is not made before every mirror that it reads is there, and that is no failure."""
    mirrors = project.mirrors_below(report)

    @asset(
        key=report_key(report.name),
        deps=[relation_key(name) for name in report.reads],
        group_name=SCHEMA,
        description=report.description,
        kinds={"redshift", report.materialized},
        owners=list(OWNERS),
        code_version=report.fingerprint,
        metadata={
            "dagster/column_schema": metadata.report_schema(dict.fromkeys(report.columns, "")),
            "dagster/column_lineage": metadata.report_lineage(report),
            "dagster/table_name": report.full_name,
            "sql": MetadataValue.md(f"```sql\n{report.statement}\n```"),
        },
        retry_policy=RETRY,
        pool=report.full_name,
        output_required=False,
    )
    def made(context: AssetExecutionContext, warehouse: WarehouseResource):  # type: ignore[no-untyped-def]  # Dagster would take the generator's annotation for the output's
        began = time.monotonic()
        with only_transient():
            store = warehouse.open()
            loaded, there = _found(store)
            if missing := sorted(name for name in report.reads if name not in there):
                context.log.warning(f"{report.full_name} is not made yet: the warehouse does not have {', '.join(missing)}")
                return
            said = "\n".join([report.fingerprint, *(f"{name} {loaded.get(name)}" for name in mirrors)])
            version = hashlib.sha256(said.encode()).hexdigest()[:16]
            known = last_metadata(context.instance, report_key(report.name), DataVersion(version)) if report.full_name in there else None
            said_now = {**known, "outcome": NOTHING_NEW} if known else _make(report, project, store, context.run.run_id)
        yield MaterializeResult(
            metadata={
                **said_now,
                "dagster/column_lineage": metadata.report_lineage(report),
                "dagster/table_name": report.full_name,
                "dagster/uri": warehouse.uri(report.full_name),
                "sql": MetadataValue.md(f"```sql\n{report.statement}\n```"),
                "seconds": round(time.monotonic() - began, 3),
            },
            data_version=DataVersion(version),
        )

    return made


def _found(warehouse: Warehouse) -> tuple[dict[str, tuple[int, int]], set[str]]:
    """What the ledger says of every mirror, and the relations that are there."""
    with warehouse.session("making of reports") as connection, connection.cursor() as cursor:
        cursor.execute(_TABLES)
        there = {f"{schema}.{name}" for schema, name in cursor.fetchall()}
        loaded: dict[str, tuple[int, int]] = {}
        if "pipeline.loads" in there:
            cursor.execute(_LEDGER)
            for target, generation, batch in cursor.fetchall():
                loaded[target] = max(loaded.get(target, (0, 0)), (int(generation), int(batch)))
    return loaded, there


def _make(report: Report, project: Project, warehouse: Warehouse, run_id: str) -> dict[str, Any]:
    make_report(report, warehouse, run_id=run_id, reports=project.reports)
    name = f"{quoted(SCHEMA)}.{quoted(report.name)}"
    with warehouse.session(f"preview of {report.full_name}") as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT shown.*, COUNT(*) OVER () AS all_rows FROM {name} AS shown LIMIT {metadata.PREVIEW_ROWS}")
        rows = cursor.fetchall()
        cursor.execute(_TYPES, (SCHEMA, report.name))
        types = dict(cursor.fetchall())
    said: dict[str, Any] = {
        "outcome": f"{report.materialized} made",
        "dagster/row_count": int(rows[0][-1]) if rows else 0,
        "dagster/column_schema": metadata.report_schema({column: types.get(column, "") for column in report.columns}),
    }
    if rows:
        said["preview"] = MetadataValue.md(metadata.preview(report.columns, (row[:-1] for row in rows)))
    return said
