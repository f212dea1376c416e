"""A rule about two tables, with the rows that break it."""

import polars as pl

from stori_pipeline.defs.build import build_defs
from stori_pipeline.model import Column, Source, Table, date, integer, varchar
from stori_pipeline.model.check import check
from stori_pipeline.model.project import Project
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source(name="clinic", kind="postgres", description="The clinic's database.")

ROOMS = Table(
    source=SOURCE,
    name="rooms",
    columns=(Column("id", integer, nullable=False), Column("beds", integer, nullable=False)),
    key=("id",),
    changes=Xmin(),
)

STAYS = Table(
    source=SOURCE,
    name="stays",
    columns=(
        Column("id", integer, nullable=False),
        Column("room_id", integer, nullable=False),
        Column("patient", varchar(64), nullable=False),
        Column("left_on", date, description="Null while the patient stays."),
    ),
    key=("id",),
    changes=Xmin(),
)


@check("clinic.stays", severity="warn")
def a_bed_for_everyone(stays: pl.LazyFrame, rooms: pl.LazyFrame) -> pl.LazyFrame:
    """No room has more patients than beds."""
    present = stays.filter(pl.col("left_on").is_null()).join(rooms, left_on="room_id", right_on="id")
    return present.filter(pl.len().over("room_id") > pl.col("beds")).sort("id").select("room_id", "patient", "beds")


PROJECT = Project((ROOMS, STAYS), python_checks=(a_bed_for_everyone,))
defs = build_defs(PROJECT)
