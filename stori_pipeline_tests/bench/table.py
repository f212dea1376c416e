"""The table that is measured: its definition and its rows. Does not belong here: moving them (`step`, `raw`).

Eleven columns of the usual types; about 150 bytes per row in COPY's binary form.
"""

from __future__ import annotations

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, date, decimal, timestamptz, varchar
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source("bench", "postgres", "What the benchmark measures.")
TABLE = Table(
    source=SOURCE,
    name="movements",
    description="Movements, as many as asked for.",
    columns=(
        Column("no", bigint, nullable=False),
        Column("account", varchar(32), nullable=False),
        Column("day", date, nullable=False),
        Column("details", varchar(256), nullable=False),
        Column("chip", boolean, nullable=False),
        Column("value_day", date, nullable=False),
        Column("withdrawal", decimal(18, 2)),
        Column("deposit", decimal(18, 2)),
        Column("fee", decimal(18, 2)),
        Column("posted_at", timestamptz, nullable=False),
        Column("updated_at", timestamptz, nullable=False),
    ),
    key=("no",),
    changes=Xmin(),
    cursor="updated_at",
)

CREATE = """
CREATE TABLE movements (
  no bigint PRIMARY KEY, account text NOT NULL, day date NOT NULL, details text NOT NULL, chip boolean NOT NULL, value_day date NOT NULL,
  withdrawal numeric(18,2), deposit numeric(18,2), fee numeric(18,2), posted_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
)"""

FILL = """
INSERT INTO movements
SELECT n, (409000000000 + n %% 1000)::text, date '2015-01-01' + (n / 1000)::int, 'TRF FROM  ' || md5(n::text) || ' ' || n %% 97,
       n %% 7 = 0, date '2015-01-02' + (n / 1000)::int,
       CASE WHEN n %% 2 = 0 THEN (n * 7919 %% 100000000) / 100.0 END, CASE WHEN n %% 2 = 1 THEN (n * 104729 %% 100000000) / 100.0 END,
       CASE WHEN n %% 5 = 0 THEN n %% 100 / 100.0 END,
       timestamptz '2015-01-01 00:00:00Z' + n * interval '61.000127 seconds',
       timestamptz '2025-01-01 00:00:00Z' + n * interval '1.000003 seconds'
FROM generate_series(1::bigint, %s) AS n"""

CHANGE = "UPDATE movements SET fee = coalesce(fee, 0) + 1, updated_at = now() WHERE no %% 100 = %s"
