"""Measuring, not believing: `make bench`. Every figure is a ratio to the raw limit, taken in the same run on the same rows."""
