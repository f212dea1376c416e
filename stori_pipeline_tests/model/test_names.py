"""Our names for what sources call otherwise."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stori_pipeline.model.names import NAME, RESERVED, SYSTEM_COLUMNS, name_for, names_for


@pytest.mark.parametrize(
    ("source_name", "name"),
    [
        ("customer_id", "customer_id"),
        ("customerID", "customer_id"),
        ("CustomerId", "customer_id"),
        ("HTTPStatus", "http_status"),
        ("Order Details", "order_details"),
        ("Größe", "grosse"),
        ("7th", "c_7th"),
        ("_batch", "batch"),
        ("_", "c_b14a7b80"),
        ("価格", "c_b8af0122"),
        ("xmin", "c_xmin"),
        ("order", "order"),
        ("x" * 80, "x" * 63),
    ],
)
def test_a_name_is_close_to_the_sources(source_name: str, name: str) -> None:
    assert name_for(source_name) == name


def test_of_names_that_would_be_equal_the_valid_one_keeps_its_own() -> None:
    given_names = ["userId", "UserID", "user_id", "user_id_2"]
    assert names_for(given_names) == {"userId": "user_id_3", "UserID": "user_id_4", "user_id": "user_id", "user_id_2": "user_id_2"}


def test_a_name_that_is_taken_gets_a_number() -> None:
    assert name_for("Album", {"album", "album_2"}) == "album_3"
    assert name_for("x" * 63, {"x" * 63}) == "x" * 61 + "_2"


def test_a_table_whose_name_has_no_latin_letter_gets_a_prefix_of_its_own() -> None:
    assert name_for("1st", prefix="t_") == "t_1st"


@given(st.lists(st.text(min_size=1), unique=True), st.sets(st.sampled_from(["a", "a_2", "user_id", "c_7"])))
@example(["a" * 70, "a" * 71, "A" * 70], set())
def test_every_list_of_names_becomes_valid_distinct_free_names(source_names: list[str], taken: set[str]) -> None:
    names = names_for(source_names, taken)
    assert list(names) == source_names
    assert len(set(names.values()) - taken) == len(source_names)
    assert all(NAME.fullmatch(name) for name in names.values())
    assert not {*RESERVED, *SYSTEM_COLUMNS} & set(names.values())
    assert names == names_for(source_names, taken)
