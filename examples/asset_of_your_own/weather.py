"""An asset that keeps a frame in S3, and one that keeps a frame in Redshift."""

from datetime import date

import polars as pl
from dagster import Definitions, asset

from stori_pipeline.defs.build import build_defs
from stori_pipeline.model.project import Project


@asset(key_prefix="weather", io_manager_key="lake_io")
def readings() -> pl.DataFrame:
    """What the stations measured. Yours would come from a file, a model or an API."""
    return pl.DataFrame(
        {
            "station": ["Ely", "Ely", "Bath", "Bath"],
            "day": [date(2026, 5, 1), date(2026, 5, 1), date(2026, 5, 1), date(2026, 5, 2)],
            "celsius": [4.5, 6.0, 7.25, 9.75],
        }
    )


@asset(key_prefix="weather", io_manager_key="warehouse_io")
def daily(readings: pl.LazyFrame) -> pl.LazyFrame:
    """The mean of each station and day: the table `weather.daily` in Redshift."""
    return readings.group_by("station", "day").agg(pl.col("celsius").mean()).sort("station", "day")


PROJECT = Project(())
defs = Definitions.merge(build_defs(PROJECT), Definitions(assets=[readings, daily]))
