"""The server side of PostgreSQL's wire protocol. `server.Server` is the entry.

Belongs here: the connections of clients and to the backend. Does not belong here: the meaning of a statement (`sql`), and COPY (`load`).
"""
