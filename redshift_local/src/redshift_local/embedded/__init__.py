"""A PostgreSQL server from the binaries that come in a Python package, run as any user in any folder.

Belongs here: servers as processes, and what a PostgreSQL cluster needs. Useful without the local Redshift; imports no driver before one
is used. Does not belong here: anything about Redshift.
"""
