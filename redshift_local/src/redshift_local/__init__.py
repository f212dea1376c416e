"""The local Redshift: a proxy in front of PostgreSQL that runs what Redshift runs and refuses what Redshift refuses.

Belongs here: nothing but this docstring, so that importing a part of the package loads no driver. `command` is the program, which starts
an `instance`. `proxy` speaks the clients' protocol, `sql` translates statements, `load` copies Parquet from S3, and `embedded` runs the
PostgreSQL behind them.
"""
