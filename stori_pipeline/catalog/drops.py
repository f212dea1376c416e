"""Files that partners drop into a bucket: what the card schemes settled, and who the merchants are."""

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import boolean, date, decimal, integer, super_, timestamptz, varchar
from stori_pipeline.readers.s3_drop import Objects

SOURCE = Source(
    name="drops",
    kind="s3_drop",
    description="The bucket that partners leave their files in.",
    owners=("team:partnerships",),
)

# A file that is broken as a whole is one rejected row. It waits for its partner, and must not hold up the files of others.
_SOME_BROKEN = 0.5

TABLES = (
    Table(
        source=SOURCE,
        name="card_settlements",
        description="One row per merchant, scheme and currency of a settlement day; a daily CSV file, sent again where it was wrong.",
        columns=(
            Column("settlement_date", date, nullable=False, description="The day that was settled."),
            Column("merchant_id", varchar(16), nullable=False, description="The merchant, as in merchants."),
            Column("scheme", varchar(16), nullable=False, description="The card scheme."),
            Column("currency", varchar(3), nullable=False, description="ISO 4217."),
            Column("transactions", integer, nullable=False, description="How many card payments."),
            Column("gross_amount", decimal(18, 2), nullable=False, description="What the cardholders paid."),
            Column("fee_amount", decimal(18, 2), nullable=False, description="What the scheme kept."),
            Column("net_amount", decimal(18, 2), nullable=False, description="Gross less fee."),
            Column("reference", varchar(64), description="The partner's text, verbatim."),
            Column("file", varchar(1024), nullable=False, path="$key", description="The file that the row came in."),
            Column("dropped_at", timestamptz, nullable=False, path="$modified", description="When that file was dropped."),
        ),
        key=("settlement_date", "merchant_id", "scheme", "currency"),
        changes=Objects("card_settlements/", "csv"),
        cursor="dropped_at",
        max_rejected=_SOME_BROKEN,
        sortkey=("settlement_date",),
    ),
    Table(
        source=SOURCE,
        name="merchants",
        description="One row per merchant, from JSON files of any of the usual shapes.",
        columns=(
            Column("merchant_id", varchar(16), nullable=False, path="id", description="The partner's number for it."),
            Column("merchant_name", varchar(256), nullable=False, path="name", description="The name over its door."),
            Column("category_code", varchar(4), path="category", description="ISO 18245; leading zeros count."),
            Column("country", varchar(2), path="address.country", description="ISO 3166-1."),
            Column("city", varchar(128), path="address.city", description="The city of its address."),
            Column("active", boolean, nullable=False, description="Whether it takes payments at present."),
            Column("opened_on", date, description="The day of its first payment."),
            Column("tags", super_, description="Whatever the partner attached."),
            Column("file", varchar(1024), nullable=False, path="$key", description="The file that the row came in."),
            Column("dropped_at", timestamptz, nullable=False, path="$modified", description="When that file was dropped."),
        ),
        key=("merchant_id",),
        changes=Objects("merchants/"),
        cursor="dropped_at",
        max_rejected=_SOME_BROKEN,
    ),
)
