"""The shipped project's sources and their tables: one module per source, each with a `SOURCE` and its `TABLES`.

Belongs here: data only. Does not belong here: what a definition means (`model`). To add a table, add a definition to its source's module;
to add a source, add a module: `stori add source`.
"""
