"""Names of columns in the headers of several files: each file's columns find theirs in the definition that is suggested for all files.

Belongs here: names alone, which are quick to search. Does not belong here: files and values (`test_s3_drop_scaffolding_any`).
"""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import varchar
from stori_pipeline.readers.s3_drop import Objects, formats, scaffolding
from stori_pipeline.readers.s3_drop.bucket import Dropped
from stori_pipeline.readers.s3_drop.headers import labels, own_places
from stori_pipeline.readers.s3_drop.sampling import FileSample
from stori_pipeline.readers.suggested_columns import has_path
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.readers.scaffolded_drops import SOURCE

_ALIKE = ["id", "ID", "Id", "a b", "a_b", "a.b", "A B", "\ta b", "id#1", "ID#2", "", "#1"]
_HEADERS = st.lists(st.lists(st.sampled_from(_ALIKE) | st.text(max_size=2), min_size=1, max_size=5), min_size=1, max_size=3)
_DROPPED = Dropped(datetime(2026, 11, 21, tzinfo=timezone.utc), "feed/1.csv", "e", 1)


@settings(max_examples=extent(500, 20_000))
@given(_HEADERS)
def test_every_column_of_every_file_has_a_column_of_its_own(headers: list[list[str]]) -> None:
    files = [FileSample(_DROPPED, "csv", 1, {label: ["x"] for label in labels(header)}) for header in headers]
    suggested = scaffolding.columns(scaffolding.merged(files)).values()
    columns = [Column(f"c{number}", varchar(64), path=each.path) for number, each in enumerate(suggested)]
    table = Table(SOURCE, "feed", (*formats.FILE_COLUMNS, *columns), ("file", "line"), Objects("feed/"))
    for header in headers:
        labelled = labels(header)
        assert len(set(labelled)) == len(header)
        places = [place for place, _ in formats.matched(table, header)]
        assert sorted(places) == [place for place, label in enumerate(labelled) if has_path(label)], (
            header,
            [each.path for each in columns],
        )


def test_names_that_differ_in_capitals_only_are_matched_before_others() -> None:
    """Regression: by their order alone, the values of two columns were swapped without a word."""
    found = own_places(["Order_ID", "ORDER ID", "ref"], labels(["Order ID", "order_id", "ref"]))
    assert found == {"Order_ID": 1, "ORDER ID": 0, "ref": 2}
