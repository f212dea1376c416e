"""The images of charts in the processed bucket: `charts/<name>.svg` and `charts/<name>.png`.

Belongs here: writing both images, and whether they are up to date. Does not belong here: drawing. Each image is one object and carries a
hash of everything that it was drawn from. If a process dies between the two writes, both images are valid, and the next run sees that
one is outdated.
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
_VERSION_METADATA = "made-from"
"""The name of the S3 metadata that holds an image's version."""

_TYPES = {"svg": "image/svg+xml", "png": "image/png"}


def version_of(chart: Chart, rows: Rows) -> str:
    """A hash of the chart's definition, its rows, and the code and library that draw it."""
    return hashlib.sha256(f"{chart!r}\n{rows.fingerprint}\n{_drawing_version()}".encode()).hexdigest()


@functools.cache
def _drawing_version() -> str:
    try:
        library = metadata.version("matplotlib")
    except metadata.PackageNotFoundError:
        library = "none"
    here = Path(__file__).parent
    modules = [(here / name).read_bytes() for name in ("drawing.py", "scales.py")]
    return hashlib.sha256(b"\n".join([library.encode(), *modules])).hexdigest()


def key(chart: Chart, ending: str) -> str:
    """The S3 key of the chart's image; `ending` is `svg` or `png`."""
    return f"{PREFIX}{chart.name}.{ending}"


def is_current(chart: Chart, bucket: Bucket, version: str) -> bool:
    """Whether both images exist and have this version.

    Raises:
        LakeError: S3 does not answer or refuses.
    """
    return all((bucket.notes(key(chart, ending)) or {}).get(_VERSION_METADATA) == version for ending in _TYPES)


def write(chart: Chart, bucket: Bucket, pictures: Pictures, version: str) -> None:
    """Write both images, replacing older ones. Errors as for `is_current`."""
    for ending, body in (("png", pictures.png), ("svg", pictures.svg)):
        bucket.put_file(key(chart, ending), body, _TYPES[ending], {_VERSION_METADATA: version})
