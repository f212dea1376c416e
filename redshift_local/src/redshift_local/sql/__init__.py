"""A client's text in, statements for PostgreSQL out. `statements.parse` is the entry.

Belongs here: Redshift's grammar and its differences from PostgreSQL's. Does not belong here: connections, or carrying a statement out.
"""
