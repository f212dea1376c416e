"""The local Redshift: a proxy before PostgreSQL that runs what Redshift runs and refuses what Redshift refuses.

Belongs here: nothing but this docstring, so that importing a part of the package loads no driver. `command` is the program and
`instance` what it starts. `proxy` follows a client's protocol, `sql` reads statements, `load` copies Parquet from S3, and `embedded`
runs the PostgreSQL behind them.
"""
