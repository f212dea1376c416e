"""The pictures of charts in the processed bucket: `charts/<name>.svg` and `charts/<name>.png`.

Belongs here: what is kept where, and whether it is what would be drawn now. Does not belong here: drawing.

Each picture is one object, replaced whole, and carries a hash of all that it was made from. So a process that dies between the two leaves
two good pictures, of which the next run sees that one is older.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from stori_pipeline.lake.bucket import Bucket
from stori_pipeline.model.chart import Chart

if TYPE_CHECKING:
    from stori_pipeline.charts.drawing import Pictures
    from stori_pipeline.charts.rows import Rows

PREFIX = "charts/"
MADE_FROM = "made-from"
"""The name under which S3 keeps the hash with each picture."""

_TYPES = {"svg": "image/svg+xml", "png": "image/png"}


def made_from(chart: Chart, rows: Rows) -> str:
    """A hash of the chart's record and rows, and of what draws them."""
    return hashlib.sha256(f"{chart!r}\n{rows.fingerprint}\n{_drawn_by()}".encode()).hexdigest()


@functools.cache
def _drawn_by() -> str:
    try:
        library = metadata.version("matplotlib")
    except metadata.PackageNotFoundError:
        library = "none"
    here = Path(__file__).parent
    modules = [(here / name).read_bytes() for name in ("drawing.py", "scales.py")]
    return hashlib.sha256(b"\n".join([library.encode(), *modules])).hexdigest()


def key(chart: Chart, ending: str) -> str:
    return f"{PREFIX}{chart.name}.{ending}"


def is_kept(chart: Chart, bucket: Bucket, made_from: str) -> bool:
    """Whether both pictures are there and made from just that. Errors are those of the lake."""
    return all((bucket.notes(key(chart, ending)) or {}).get(MADE_FROM) == made_from for ending in _TYPES)


def keep(chart: Chart, bucket: Bucket, pictures: Pictures, made_from: str) -> None:
    """Replace both pictures. Errors are those of the lake."""
    for ending, body in (("png", pictures.png), ("svg", pictures.svg)):
        bucket.put_file(key(chart, ending), body, _TYPES[ending], {MADE_FROM: made_from})
