"""One asset for each chart: its pictures in the processed bucket, drawn again when its report has changed.

Belongs here: deriving assets from charts, and what is shown of them. Does not belong here: which charts there are, or drawing and keeping
them (`stori_pipeline.charts`).

Drawing takes longer than everything else about a chart, and a run seldom changes what a chart shows. So the rows are asked for each time,
and drawn only where they are not those of the pictures that are there.
"""

import base64
import time
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, DataVersion, MaterializeResult, MetadataValue, asset

from stori_pipeline.charts.pictures import is_kept, keep, key, made_from
from stori_pipeline.charts.rows import read
from stori_pipeline.defs.keys import chart_key, report_key
from stori_pipeline.defs.materialization_metadata import NOTHING_NEW, last_metadata
from stori_pipeline.defs.reports import OWNERS
from stori_pipeline.defs.resources import ProcessedResource, WarehouseResource
from stori_pipeline.model.chart import Chart
from stori_pipeline.runtime.retries import RETRY, only_transient


def chart_asset(chart: Chart) -> AssetsDefinition:
    """Its output is optional: a chart is not drawn before its report is there, and that is no failure."""

    @asset(
        key=chart_key(chart.name),
        deps=[report_key(chart.report)],
        group_name="charts",
        description=f"{chart.title}. {chart.description}",
        kinds={"matplotlib", "svg"},
        owners=list(OWNERS),
        metadata={"sql": MetadataValue.md(f"```sql\n{chart.statement}\n```")},
        retry_policy=RETRY,
        pool=chart.full_name,
        output_required=False,
    )
    def drawn(context: AssetExecutionContext, processed: ProcessedResource, warehouse: WarehouseResource):  # type: ignore[no-untyped-def]  # Dagster would take the generator's annotation for the output's
        began = time.monotonic()
        with only_transient():
            rows = read(chart, warehouse.open())
            if rows is None:
                context.log.warning(f"{chart.full_name} is not drawn yet: the warehouse does not have {chart.relation}")
                return
            of, bucket = made_from(chart, rows), processed.open_bucket()
            known = last_metadata(context.instance, chart_key(chart.name), DataVersion(of)) if is_kept(chart, bucket, of) else None
            said: dict[str, Any] = {**known, "outcome": f"{NOTHING_NEW}: the rows are those that were drawn last"} if known else {}
            if not known:
                from stori_pipeline.charts.drawing import draw

                pictures = draw(chart, rows)
                keep(chart, bucket, pictures, of)
                inline = base64.b64encode(pictures.small).decode()
                said = {"outcome": "drawn", "chart": MetadataValue.md(f"![{chart.title}](data:image/png;base64,{inline})")}
        yield MaterializeResult(
            metadata={
                **said,
                "dagster/uri": bucket.url(key(chart, "svg")),
                "rows_drawn": len(rows.points),
                "seconds": round(time.monotonic() - began, 3),
            },
            data_version=DataVersion(of),
        )

    return drawn
