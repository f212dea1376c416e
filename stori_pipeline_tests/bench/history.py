"""A history that is measured: every version of each order, as a fact keeps them.

Belongs here: its definition, its input, and the input's rows. Does not belong here: measuring.
"""

from __future__ import annotations

import polars as pl

from stori_pipeline.model.changes import History
from stori_pipeline.model.star import OBSERVED_AT, REMOVED, STAR, Star
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, date, decimal, integer, timestamptz, varchar
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline_tests.bench.table import SOURCE

_COLUMNS = (
    ("order_id", bigint),
    ("customer", integer),
    ("design", integer),
    ("units", integer),
    ("unit_price", decimal(10, 2)),
    ("currency", varchar(3)),
    ("agreed_on", date),
    ("updated_at", timestamptz),
)
INPUT = Table(
    source=SOURCE,
    name="orders",
    description="Orders, as many as asked for.",
    columns=tuple(Column(name, type_, nullable=False) for name, type_ in _COLUMNS),
    key=("order_id",),
    changes=Xmin(),
    cursor="updated_at",
)


def _versions(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders


VERSIONS = Star(
    Table(
        STAR,
        "bench_order",
        (
            Column("order_record_id", integer, nullable=False),
            *(Column(name, type_, nullable=False, path=f"orders.{name}") for name, type_ in _COLUMNS),
            OBSERVED_AT,
            REMOVED,
        ),
        ("order_record_id",),
        History(("order_id",)),
    ),
    _versions,
    {"orders": INPUT.full_name},
)

CREATE = """
CREATE TABLE orders (
  order_id bigint PRIMARY KEY, customer integer NOT NULL, design integer NOT NULL, units integer NOT NULL,
  unit_price numeric(10,2) NOT NULL, currency text NOT NULL, agreed_on date NOT NULL, updated_at timestamptz NOT NULL
)"""
FILL = """
INSERT INTO orders
SELECT n, n %% 5000, n %% 700, 1 + n %% 900, (n * 7919 %% 100000) / 100.0, (ARRAY['GBP', 'EUR', 'USD'])[1 + n %% 3],
       date '2020-01-01' + (n / 1000)::int, timestamptz '2020-01-01 00:00:00Z' + n * interval '60.000001 seconds'
FROM generate_series(1::bigint, %s) AS n"""
CHANGE = "UPDATE orders SET units = units + 1, updated_at = now() WHERE order_id = %s"
