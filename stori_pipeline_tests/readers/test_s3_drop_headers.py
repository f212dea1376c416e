"""Names of columns in the headers of files: which column a path names, and that a suggested definition names each column of each file.

Belongs here: names alone, which are quick to search. Does not belong here: files and values (`test_s3_drop_scaffolding_any`).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import varchar
from stori_pipeline.readers.json_rows import literal
from stori_pipeline.readers.s3_drop import Objects, formats, scaffolding
from stori_pipeline.readers.s3_drop.broken import BrokenFile
from stori_pipeline.readers.s3_drop.bucket import Dropped
from stori_pipeline.readers.s3_drop.headers import folded, labels, name_of, own_places, shown
from stori_pipeline.readers.s3_drop.sampling import FileSample
from stori_pipeline.readers.suggested_columns import has_path
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.readers.scaffolded_drops import SOURCE

_ALIKE = ["id", "ID", "Id", "a b", "a_b", "a.b", "A B", "\ta b", "a\u00a0b", "a\u200bb", "a\nb", "id#1", "ID#2", "id\\#1", "", "#1", "\\"]
_NAME = st.sampled_from(_ALIKE) | st.text(max_size=2)
_HEADERS = st.lists(st.lists(_NAME, min_size=1, max_size=5), min_size=1, max_size=3)
_DROPPED = Dropped(datetime(2026, 11, 21, tzinfo=timezone.utc), "feed/1.csv", "e", 1)


@settings(max_examples=extent(500, 20_000))
@given(_HEADERS)
def test_every_column_of_every_file_has_a_column_of_its_own(headers: list[list[str]]) -> None:
    files = [FileSample(_DROPPED, "csv", 1, {label: ["x"] for label in labels(header)}) for header in headers]
    suggested = scaffolding.columns(scaffolding.merged(files)).values()
    columns = [Column(f"c{number}", varchar(64), path=each.path or each.name) for number, each in enumerate(suggested)]
    table = Table(SOURCE, "feed", (*formats.FILE_COLUMNS, *columns), ("file", "line"), Objects("feed/"))
    for header, file in zip(headers, files, strict=True):
        labelled = labels(header)
        assert len(set(labelled)) == len(header)
        nameable = [place for place, label in enumerate(labelled) if has_path(shown(label))]
        if file.broken:
            look_the_same = len({folded(labelled[place]) for place in nameable}) < len(nameable)
            assert look_the_same or not nameable, (header, file.broken)
        else:
            places = [place for place, _ in formats.matched(table, header)]
            assert sorted(places) == nameable, (header, [each.path for each in columns])


@given(st.lists(_NAME, min_size=1, max_size=6))
def test_a_label_gives_back_the_name_of_its_column(header: list[str]) -> None:
    """A row in quarantine has labels, and is read again as a file with their names."""
    visible = [name if shown(name).strip() else "" for name in header]
    assert [name_of(label) for label in labels(header)] == visible
    assert labels(visible) == labels(header)


@settings(max_examples=extent(500, 20_000))
@given(
    st.lists(_NAME.filter(has_path), min_size=1, max_size=4, unique=True),
    st.lists(_NAME, min_size=1, max_size=5, unique=True),
    st.randoms(),
)
def test_the_order_of_columns_never_decides_which_is_which(paths: list[str], header: list[str], random: Any) -> None:
    """Regression: columns whose names are alike were matched by their order, and their values swapped without a word."""
    shuffled = random.sample(header, len(header))
    assert _found(paths, header) == _found(paths[::-1], shuffled)


def _found(paths: list[str], header: list[str]) -> dict[str, str] | None:
    """The name of the column of each path; None if the file is refused."""
    labelled = labels(header)
    try:
        return {path: labelled[place] for path, place in own_places(paths, labelled).items()}
    except BrokenFile:
        return None


@settings(max_examples=extent(500, 20_000))
@given(st.lists(_NAME.filter(has_path), min_size=1, max_size=4, unique=True), st.lists(_NAME, min_size=1, max_size=5, unique=True))
def test_no_column_that_is_like_a_path_is_lost(paths: list[str], header: list[str]) -> None:
    found = _found(paths, header)
    if found is not None:
        unread = set(labels(header)) - set(found.values())
        assert not {folded(path) for path in paths} & {folded(label) for label in unread}


@pytest.mark.parametrize(
    ("paths", "header", "found"),
    {
        "capitals only come before others": (
            ["Order_ID", "ORDER ID", "ref"],
            ["Order ID", "order_id", "ref"],
            {"Order_ID": 1, "ORDER ID": 0, "ref": 2},
        ),
        "two paths for one column": (["order id", "order.id"], ["Order_ID"], None),
        "two columns for one path": (["order id"], ["Order_ID", "Order.ID"], None),
        "two alike beside an exact one": (["id"], ["id", "ID "], None),
        "a lone column for one of several": (["id#1", "id#2", "ID", "name"], ["id", "name"], None),
        "one of several": (["id#2"], ["id", "id"], {"id#2": 1}),
        "several for a lone path": (["id"], ["id", "id"], None),
        "a name that ends like a number": (["a#1"], ["a#1"], None),
        "the same, escaped": ([r"a\#1"], ["a#1", "a", "a"], {r"a\#1": 0}),
        "no-break space": (["Sold On"], ["Sold\u00a0On"], {"Sold On": 0}),
        "zero-width space": (["Sold On"], ["\u200bSold On\ufeff"], {"Sold On": 0}),
        "line end": (["Sold On"], ["Sold\r\nOn"], {"Sold On": 0}),
        "the same for two": (["Sold On"], ["Sold On", "Sold\nOn"], None),
    }.values(),
    ids=str,
)
def test_a_path_names_one_column_or_the_file_is_refused(paths: list[str], header: list[str], found: dict[str, int] | None) -> None:
    if found is None:
        with pytest.raises(BrokenFile):
            own_places(paths, labels(header))
    else:
        assert own_places(paths, labels(header)) == found


def test_a_file_that_has_none_of_the_columns_is_refused() -> None:
    """Regression: with the file and the line as key, every row landed, and each of its values was null."""
    table = Table(
        SOURCE, "feed", (*formats.FILE_COLUMNS, Column("amount", varchar(9)), Column("note", varchar(9))), ("file", "line"), Objects("")
    )
    with pytest.raises(BrokenFile, match=r"it has none of the columns 'amount', 'note'; it has 'Betrag', 'Notiz'"):
        formats.matched(table, ["Betrag", "Notiz"])
    assert [literal(column.source_path) for _, column in formats.matched(table, ["Betrag", "NOTE"])] == ["note"]
