"""The source `app`: users and their transactions, in Postgres.

Belongs here: definitions. Does not belong here: what a definition means (`model`).
"""

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import decimal, integer, timestamptz, varchar
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source(
    name="app",
    kind="postgres",
    description="The app: its registered users, and their payments, transfers and refunds.",
    owners=("team:app",),
)

_CREATED = Column("created_at", timestamptz, description="When the row was inserted. The source has no time zone; it is read as UTC.")
_UPDATED = Column(
    "updated_at", timestamptz, nullable=False, description="Start of the transaction that last wrote the row; a trigger sets it."
)

TABLES = (
    Table(
        source=SOURCE,
        name="users",
        description="One row per registration. A person may register several times.",
        columns=(
            Column("id", integer, nullable=False, description="Serial number, in the order of registration."),
            Column("name", varchar(1024), description="The name as the user typed it, in any case."),
            Column("email", varchar(1024), description="The e-mail address as the user typed it; not unique."),
            Column("address", varchar(4096), description="The postal address, on several lines."),
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
            Column("user_id", integer, description="The user who made the transaction; missing in some rows."),
            Column("amount", decimal(10, 2), description="The amount; positive for refunds too."),
            Column("transaction_type", varchar(256), description="purchase, refund, transfer or payment."),
            _CREATED,
            _UPDATED,
        ),
        key=("id",),
        changes=Xmin(),
        cursor="updated_at",
    ),
)
