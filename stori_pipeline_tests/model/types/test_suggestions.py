"""Which type a suggested definition names: by the longest text, and by what texts look like."""

from __future__ import annotations

import pytest

from stori_pipeline.model.types import parse, suggestions


@pytest.mark.parametrize(
    ("length", "python"),
    [
        (0, "varchar(16)"),
        (8, "varchar(16)"),
        (9, "varchar(32)"),
        (16, "varchar(32)"),
        (16_384, "varchar(32768)"),
        (16_385, "varchar(65535)"),
        (65_535, "varchar(65535)"),
        (65_536, "super_"),
    ],
)
def test_a_text_has_room_for_twice_the_longest_if_there_is_a_varchar_for_it(length: int, python: str) -> None:
    assert suggestions.for_longest(length) == python
    assert parse(python.rstrip("_"))


def test_the_longest_text_counts_bytes_and_there_may_be_none() -> None:
    assert suggestions.longest_of(["abc", "żż", "\ud800"]) == 4
    assert suggestions.longest_of([]) == 0


@pytest.mark.parametrize(
    ("texts", "python"),
    [
        (["2024-11-15T10:00:00Z", "2024-11-15 10:00"], "timestamptz"),
        (["2024-11-15"], "date"),
        (["2024-11-15T10:00:00Z", "2024-11-15"], ""),
        (["2024-11-15 10:00 to 11:00"], ""),
        (["12", "007"], ""),
        ([], ""),
    ],
)
def test_a_text_in_json_is_an_instant_or_a_day_but_no_number(texts: list[str], python: str) -> None:
    assert suggestions.for_json_texts(texts) == python
