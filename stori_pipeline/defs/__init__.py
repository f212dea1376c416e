"""The Dagster definitions of a project, with a module for each kind of Dagster object.

Belongs here: deriving assets, checks, jobs, sensors and schedules from a project's definitions. Importing it reads no setting, opens
nothing and imports no driver; the step that needs them does. Does not belong here: landing, loading or comparing (`pipeline`, `verify`).
"""
