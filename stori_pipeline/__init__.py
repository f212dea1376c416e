"""stori_pipeline: operational data to Amazon Redshift through a Parquet lake in S3.

This file is a docstring and nothing else: importing the package wires nothing and reads no environment.
The floors, lowest first: `spec` and `settings`; `catalog` and `star`; `readers`, `lake` and `redshift`; `compare`; `defs`;
`definitions` and `cli`. Imports point only downward (`make check` holds that). `local` is AWS on one machine and is
imported by `cli` and the tests alone.
"""
