"""The source `exchange`: trades and quotes, in MongoDB.

Belongs here: definitions. Does not belong here: what a definition means (`model`).
"""

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import decimal, integer, super_, timestamptz, varchar
from stori_pipeline.readers.mongo import ChangeStream

SOURCE = Source(
    name="exchange",
    kind="mongodb",
    description="The trading system: trades, and the quotes at the time of each trade.",
    owners=("team:markets",),
)

TABLES = (
    Table(
        source=SOURCE,
        name="trades",
        description="One row per trade. A document is one trade, or has an array of trades in its field `data`.",
        columns=(
            Column("id", varchar(24), nullable=False, description="The trade's `id`, or the document's `_id` if the trade has none."),
            Column("ticker", varchar(16), description="The instrument; missing in some trades."),
            Column("ticket", varchar(16), description="The order ticket; missing in many trades."),
            Column("price", decimal(18, 6), nullable=False, description="Price per share."),
            Column("shares", integer, nullable=False, description="Number of shares."),
            Column("system", varchar(16), path="details.system", description="The system that matched the trade."),
            Column("lag", integer, path="details.lag", description="Delay of the match, in milliseconds."),
            Column("asks", super_, path="details.asks", description="The ask prices at the time of the trade, ascending."),
            Column("bids", super_, path="details.bids", description="The bid prices at the time of the trade, descending."),
            Column("traded_at", timestamptz, path="time.date", description="When the trade was made."),
        ),
        key=("id",),
        changes=ChangeStream(),
        cursor="traded_at",
        unnest="data",
        sortkey=("traded_at",),
        distkey="id",
    ),
)
