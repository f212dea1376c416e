"""What PostgreSQL says, in Redshift's words."""

from __future__ import annotations

import pytest

from redshift_local.errors import in_redshift_words


def test_the_byte_length_check_of_a_varchar_becomes_redshifts_error() -> None:
    said = {
        "S": "ERROR",
        "V": "ERROR",
        "C": "23514",
        "M": 'new row for relation "t" violates check constraint "_bytes_city_12"',
        "D": "Failing row contains (secret).",
        "n": "_bytes_city_12",
    }
    told = in_redshift_words(said)
    assert (told["C"], told["M"]) == ("22001", "value too long for type character varying(12)")
    assert "secret" not in str(told)


def test_another_check_stays_what_it_is() -> None:
    said = {"C": "23514", "M": "violates", "n": "positive_12"}
    assert in_redshift_words(said) == said


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_conflict_has_the_whole_message_that_clients_look_for(code: str) -> None:
    told = in_redshift_words({"S": "ERROR", "C": code, "M": "deadlock detected"}, pid=42)
    assert (told["C"], told["M"]) == ("XX000", "1023")
    assert told["D"].startswith("Serializable isolation violation on table - ")
    assert "(pid:42)" in told["D"]
