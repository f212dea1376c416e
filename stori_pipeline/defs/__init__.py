"""The Dagster graph: the only package that knows Dagster. One module per noun of Dagster's.

Belongs here: deriving assets, checks, jobs and automation from the records in `catalog`, and handing the work to the floors
below. Does not belong here: the work itself; everything that lands, loads or compares runs in a plain Python shell too.

Importing it reads no environment and opens nothing: settings are read, and drivers imported, by the step that needs them.
"""
