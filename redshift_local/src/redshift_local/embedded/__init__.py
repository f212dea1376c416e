"""Runs a PostgreSQL server from the binaries in a Python package, as any user and in any folder.

Belongs here: server processes, and what a PostgreSQL cluster needs. It is also useful without the local Redshift, and imports a driver only
when it connects. Does not belong here: anything about Redshift.
"""
