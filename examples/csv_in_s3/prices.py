"""Files that a partner drops into a bucket."""

from stori_pipeline.defs.build import build_defs
from stori_pipeline.model import Column, Source, Table, date, decimal, timestamptz, varchar
from stori_pipeline.model.project import Project
from stori_pipeline.readers.s3_drop import Objects

SOURCE = Source(name="partner", kind="s3_drop", description="The bucket that the partner drops files into.")

PRICES = Table(
    source=SOURCE,
    name="prices",
    description="One row per article and day from which its price is valid.",
    columns=(
        # `path` is the header in the file where it differs from the column's name.
        Column("article_no", varchar(32), nullable=False, path="Article No"),
        Column("price", decimal(12, 2), nullable=False, path="Price"),
        Column("valid_from", date, nullable=False, path="valid from"),
        # What begins with $ is about the file.
        Column("file", varchar(1024), nullable=False, path="$key"),
        Column("dropped_at", timestamptz, nullable=False, path="$modified"),
    ),
    key=("article_no", "valid_from"),
    changes=Objects("feed/", "csv"),
    cursor="dropped_at",
)

PROJECT = Project((PRICES,))
defs = build_defs(PROJECT)
