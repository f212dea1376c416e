"""stori_pipeline: operational data to Amazon Redshift through a Parquet lake in S3.

Belongs here: this docstring. Does not belong here: code; importing the package has no effects. The floors, lowest first: `model`;
`contract`; `readers`, `lake`, `warehouse`; `verify`; `pipeline`; `alerts`, `charts`; `runtime`; `defs`, `api`; `cli`. Imports point only
downward, and `make check` enforces it. `catalog` and `star` are the shipped project, and `local` is its stack of servers on one machine.
"""
