"""The star tables of the shipped project: pure functions of polars frames, each named after its table.

Belongs here: one module for each subject, with a `SCHEMA` of its own. Does not belong here: reading or writing rows (`pipeline.derive`).
"""
