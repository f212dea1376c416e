"""Translates a client's SQL into statements for PostgreSQL. `statements.parse` is the entry.

Belongs here: Redshift's grammar, and its differences from PostgreSQL's. Does not belong here: connections, and executing (`proxy`).
"""
