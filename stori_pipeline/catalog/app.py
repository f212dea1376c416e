"""The app's users and their transactions, in Postgres."""

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import decimal, integer, timestamptz, varchar
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source(
    name="app",
    kind="postgres",
    description="The app: its registered users and what they pay, send and get back.",
    owners=("team:app",),
)

_CREATED = Column("created_at", timestamptz, description="When the row was inserted; naive in the source, read as UTC.")
_UPDATED = Column("updated_at", timestamptz, nullable=False, description="Start of the transaction that last wrote the row; by trigger.")

TABLES = (
    Table(
        source=SOURCE,
        name="users",
        description="One row per registration; a person may have several.",
        columns=(
            Column("id", integer, nullable=False, description="Serial number, in the order of registration."),
            Column("name", varchar(1024), description="As the user typed it, in whichever case."),
            Column("email", varchar(1024), description="As the user typed it; not unique."),
            Column("address", varchar(4096), description="The postal address, of several lines."),
            _CREATED,
            _UPDATED,
        ),
        key=("id",),
        changes=Xmin(),
        cursor="updated_at",
    ),
    Table(
        source=SOURCE,
        name="transactions",
        description="One row per purchase, refund, transfer or payment of a user.",
        columns=(
            Column("id", integer, nullable=False, description="Serial number, in the order of insertion."),
            Column("user_id", integer, description="Whose transaction it is; absent from some."),
            Column("amount", decimal(10, 2), description="Positive, for refunds too."),
            Column("transaction_type", varchar(256), description="One of purchase, refund, transfer and payment."),
            _CREATED,
            _UPDATED,
        ),
        key=("id",),
        changes=Xmin(),
        cursor="updated_at",
    ),
)
