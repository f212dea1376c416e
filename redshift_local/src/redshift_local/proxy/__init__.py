"""The server side of PostgreSQL's wire protocol. `server.Server` is the entry.

Belongs here: connections of clients and to the backend. Does not belong here: what a statement means (`sql`), or loading (`load`).
"""
