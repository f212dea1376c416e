"""Which star tables there are and how each is made: pure functions of polars frames, named after the table they make.

A function's parameters are its inputs. Nothing here reads, writes or knows where rows are kept. One module for each system of
sources.
"""

from __future__ import annotations

from stori_pipeline.model.star import STARS
from stori_pipeline.star import totesys

__all__ = ["STARS", "totesys"]
