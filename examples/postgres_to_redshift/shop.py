"""Two tables of a Postgres database, and a star table made from them."""

import polars as pl

from stori_pipeline.defs.build import build_defs
from stori_pipeline.model import Column, Source, Table, bigint, date, decimal, timestamptz, varchar
from stori_pipeline.model.project import Project
from stori_pipeline.model.star import StarSchema, carried
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source(name="shop", kind="postgres", description="The shop's database.")

CUSTOMERS = Table(
    source=SOURCE,
    name="customers",
    columns=(
        Column("id", bigint, nullable=False),
        Column("name", varchar(256), nullable=False, description="As the customer wrote it."),
        Column("joined", date),
    ),
    key=("id",),
    changes=Xmin(),
)

ORDERS = Table(
    source=SOURCE,
    name="orders",
    columns=(
        Column("id", bigint, nullable=False),
        Column("customer_id", bigint, nullable=False),
        Column("amount", decimal(12, 2), nullable=False, description="In euros."),
        Column("ordered_at", timestamptz, nullable=False),
    ),
    key=("id",),
    changes=Xmin(),
)

SCHEMA = StarSchema(CUSTOMERS, ORDERS)


@SCHEMA.star_table(
    carried("customers.id"),
    carried("customers.name"),
    Column("orders", bigint, nullable=False, path="orders.id orders.customer_id customers.id", description="How many there are."),
    Column("spent", decimal(12, 2), nullable=False, path="orders.amount orders.customer_id customers.id", description="In euros."),
    key="id",
    description="One row per customer, with what they have ordered.",
)
def customer_value(customers: pl.LazyFrame, orders: pl.LazyFrame) -> pl.LazyFrame:
    totals = orders.group_by("customer_id").agg(pl.len().cast(pl.Int64).alias("orders"), pl.col("amount").sum().alias("spent"))
    joined = customers.join(totals, left_on="id", right_on="customer_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("orders").fill_null(0), pl.col("spent").fill_null(0))


PROJECT = Project((CUSTOMERS, ORDERS), stars=SCHEMA.stars)
defs = build_defs(PROJECT)
