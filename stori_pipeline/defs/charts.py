"""One asset for each chart: its pictures in the processed bucket, drawn again if its rows have changed.

Belongs here: assets from charts, and their metadata. Each run reads the rows of a chart, and draws it only if they changed, because drawing
is slow. Does not belong here: any chart (a project has those), or drawing and storing pictures (`stori_pipeline.charts`).
"""

import base64
import hashlib
import time
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, DataVersion, MaterializeResult, MetadataValue, asset

from stori_pipeline.charts.pictures import is_current, key, version_of, write
from stori_pipeline.charts.rows import read
from stori_pipeline.defs.keys import chart_key, report_key
from stori_pipeline.defs.materialization_metadata import NOTHING_NEW, last_metadata
from stori_pipeline.defs.reports import OWNERS
from stori_pipeline.defs.resources import ProcessedResource, WarehouseResource
from stori_pipeline.model.chart import Chart
from stori_pipeline.runtime.retries import RETRY, only_transient


def chart_asset(chart: Chart) -> AssetsDefinition:
    """The asset of a chart. Its output is optional: while its report does not exist, the step succeeds without drawing it."""

    @asset(
        key=chart_key(chart.name),
        deps=[report_key(chart.report)],
        group_name="charts",
        description=f"{chart.title}. {chart.description}",
        kinds={"matplotlib", "svg"},
        owners=list(OWNERS),
        code_version=hashlib.sha256(repr(chart).encode()).hexdigest()[:16],
        metadata={"sql": MetadataValue.md(f"```sql\n{chart.statement}\n```")},
        retry_policy=RETRY,
        pool=chart.full_name,
        output_required=False,
    )
    def pictures(context: AssetExecutionContext, processed: ProcessedResource, warehouse: WarehouseResource):  # type: ignore[no-untyped-def]  # Dagster would take the generator's annotation for the output's
        began = time.monotonic()
        with only_transient():
            rows = read(chart, warehouse.open())
            if rows is None:
                context.log.warning(f"{chart.full_name} is not drawn yet: the warehouse does not have {chart.relation}")
                return
            version, bucket = version_of(chart, rows), processed.open_bucket()
            exists = is_current(chart, bucket, version)
            last = last_metadata(context.instance, chart_key(chart.name), DataVersion(version)) if exists else None
            outcome: dict[str, Any] = {**last, "outcome": f"{NOTHING_NEW}: the rows have not changed since they were drawn"} if last else {}
            if not last:
                from stori_pipeline.charts.drawing import draw

                drawing = draw(chart, rows)
                write(chart, bucket, drawing, version)
                inline = base64.b64encode(drawing.small).decode()
                outcome = {"outcome": "drawn", "chart": MetadataValue.md(f"![{chart.title}](data:image/png;base64,{inline})")}
        yield MaterializeResult(
            metadata={
                **outcome,
                "dagster/uri": bucket.url(key(chart, "svg")),
                "rows_drawn": len(rows.points),
                "seconds": round(time.monotonic() - began, 3),
            },
            data_version=DataVersion(version),
        )

    return pictures
