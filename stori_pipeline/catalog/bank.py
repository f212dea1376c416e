"""The source `bank`: account movements, in Postgres.

Belongs here: definitions. Does not belong here: what a definition means (`model`).
"""

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, date, decimal, timestamptz, varchar
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source(
    name="bank",
    kind="postgres",
    description="The bank's core system: accounts and their movements.",
    owners=("team:banking",),
)

TABLES = (
    Table(
        source=SOURCE,
        name="transactions",
        description="One row per movement on an account, with the balance after it.",
        columns=(
            Column("transaction_no", bigint, nullable=False, description="Serial number, in the order of posting."),
            Column("account_no", varchar(32), nullable=False, description="Seven or twelve digits, kept as text."),
            Column("txn_date", date, nullable=False, description="The day of the movement."),
            Column(
                "transaction_details",
                varchar(1024),
                description="The text of the statement, unchanged: with double spaces and cut-off ends.",
            ),
            Column("chip_used", boolean, nullable=False, description="Whether the card's chip was used."),
            Column("value_date", date, nullable=False, description="The value date: the day from which the money earns interest."),
            Column("withdrawal_amt", decimal(18, 2), description="Money out. Exactly one of withdrawal_amt and deposit_amt is set."),
            Column("deposit_amt", decimal(18, 2), description="Money in. Exactly one of withdrawal_amt and deposit_amt is set."),
            Column(
                "balance_amt", decimal(18, 2), nullable=False, description="The account's balance after this movement; may be negative."
            ),
            Column(
                "updated_at", timestamptz, nullable=False, description="When the application last wrote the row. Some edits do not set it."
            ),
        ),
        key=("transaction_no",),
        changes=Xmin(),
        cursor="updated_at",
        sortkey=("txn_date",),
        distkey="account_no",
    ),
)
