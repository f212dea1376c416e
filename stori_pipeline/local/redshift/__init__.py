"""The local Redshift: a wire proxy before PostgreSQL that runs what Redshift runs and refuses what Redshift refuses.

This file is a docstring and nothing else. `python -m stori_pipeline.local.redshift` starts it. From the outside in: `server` takes
connections, `session` follows one client's protocol, `statements` reads its SQL, `copy` loads Parquet from S3, `wire` frames
messages, and `bootstrap.sql` holds what must exist in the backing database.
"""
