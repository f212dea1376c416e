"""Measurements: `make bench`. Every figure is a ratio to the raw limit, measured in the same run on the same rows."""
