"""One asset for each report: a view or a table in the warehouse's schema `reports`.

Belongs here: assets from reports, and their metadata. A report is replaced only if its file, or a mirror that it depends on, has changed;
otherwise a run costs one query. Does not belong here: parsing a report (`model.report`), or creating it (`warehouse.reports`).
"""

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
from stori_pipeline.warehouse.reports import first_rows, make_report

OWNERS = ("team:analytics",)


def report_asset(report: Report, project: Project) -> AssetsDefinition:
    """The asset of a report. Its output is optional: while a table that it reads does not exist, the step succeeds without creating it."""
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
    def materialized(context: AssetExecutionContext, warehouse: WarehouseResource):  # type: ignore[no-untyped-def]  # Dagster would take the generator's annotation for the output's
        began = time.monotonic()
        with only_transient():
            store = warehouse.open()
            loads, relations = store.newest_loads()
            if missing := sorted(name for name in report.reads if name not in relations):
                context.log.warning(f"{report.full_name} is not created yet: the warehouse does not have {', '.join(missing)}")
                return
            version = report.version({name: loads[name].entry.order if name in loads else None for name in mirrors})
            exists = report.full_name in relations
            last = last_metadata(context.instance, report_key(report.name), DataVersion(version)) if exists else None
            outcome = {**last, "outcome": NOTHING_NEW} if last else _replace(report, project, store, context.run.run_id)
        yield MaterializeResult(
            metadata={
                **outcome,
                "dagster/column_lineage": metadata.report_lineage(report),
                "dagster/table_name": report.full_name,
                "dagster/uri": warehouse.uri(report.full_name),
                "sql": MetadataValue.md(f"```sql\n{report.statement}\n```"),
                "seconds": round(time.monotonic() - began, 3),
            },
            data_version=DataVersion(version),
        )

    return materialized


def _replace(report: Report, project: Project, warehouse: Warehouse, run_id: str) -> dict[str, Any]:
    """Creates or replaces the report. Returns the metadata of its asset."""
    make_report(report, warehouse, run_id=run_id, reports=project.reports)
    first = first_rows(report, warehouse, metadata.PREVIEW_ROWS)
    values: dict[str, Any] = {
        "outcome": f"{report.materialized} made",
        "dagster/row_count": first.count,
        "dagster/column_schema": metadata.report_schema({column: first.types.get(column, "") for column in report.columns}),
    }
    if first.rows:
        values["preview"] = MetadataValue.md(metadata.preview(report.columns, first.rows))
    return values
