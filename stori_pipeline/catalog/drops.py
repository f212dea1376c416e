"""The source `drops`: files that partners drop into a bucket, with card settlements and merchants.

Belongs here: definitions. Does not belong here: what a definition means (`model`).
"""

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import boolean, date, decimal, integer, super_, timestamptz, varchar
from stori_pipeline.readers.s3_drop import Objects

SOURCE = Source(
    name="drops",
    kind="s3_drop",
    description="The bucket into which partners drop their files.",
    owners=("team:partnerships",),
)

# A broken file is one rejected row. Its partner must correct it; meanwhile it must not block the files of other partners.
_SOME_BROKEN, _BROKEN_FILES = 0.5, 20

TABLES = (
    Table(
        source=SOURCE,
        name="card_settlements",
        description="One row per settlement day, merchant, scheme and currency, from daily CSV files. A corrected file is dropped again.",
        columns=(
            Column("settlement_date", date, nullable=False, description="The settlement day."),
            Column("merchant_id", varchar(16), nullable=False, description="The merchant's number, as in drops.merchants."),
            Column("scheme", varchar(16), nullable=False, description="The card scheme, such as visa."),
            Column("currency", varchar(3), nullable=False, description="ISO 4217 code, such as EUR."),
            Column("transactions", integer, nullable=False, description="Number of card payments."),
            Column("gross_amount", decimal(18, 2), nullable=False, description="The amount that the cardholders paid."),
            Column("fee_amount", decimal(18, 2), nullable=False, description="The fee of the scheme."),
            Column("net_amount", decimal(18, 2), nullable=False, description="Gross amount minus fee."),
            Column("reference", varchar(64), description="The partner's text, unchanged."),
            Column("file", varchar(1024), nullable=False, path="$key", description="The file that contains the row."),
            Column("dropped_at", timestamptz, nullable=False, path="$modified", description="When the file was dropped."),
        ),
        key=("settlement_date", "merchant_id", "scheme", "currency"),
        changes=Objects("card_settlements/", "csv"),
        cursor="dropped_at",
        max_rejected=_SOME_BROKEN,
        max_rejected_rows=_BROKEN_FILES,
        sortkey=("settlement_date",),
    ),
    Table(
        source=SOURCE,
        name="merchants",
        description="One row per merchant, from JSON files: JSON lines, an array, or an object with an array.",
        columns=(
            Column("merchant_id", varchar(16), nullable=False, path="id", description="The partner's number for the merchant."),
            Column("merchant_name", varchar(256), nullable=False, path="name", description="The merchant's trading name."),
            Column("category_code", varchar(4), path="category", description="Category code of ISO 18245, with leading zeros."),
            Column("country", varchar(2), path="address.country", description="Country code of ISO 3166-1, two letters."),
            Column("city", varchar(128), path="address.city", description="The city of the merchant's address."),
            Column("active", boolean, nullable=False, description="Whether the merchant accepts payments now."),
            Column("opened_on", date, description="The day of the merchant's first payment."),
            Column("tags", super_, description="Any JSON that the partner attached."),
            Column("file", varchar(1024), nullable=False, path="$key", description="The file that contains the row."),
            Column("dropped_at", timestamptz, nullable=False, path="$modified", description="When the file was dropped."),
        ),
        key=("merchant_id",),
        changes=Objects("merchants/"),
        cursor="dropped_at",
        max_rejected=_SOME_BROKEN,
        max_rejected_rows=_BROKEN_FILES,
    ),
)
