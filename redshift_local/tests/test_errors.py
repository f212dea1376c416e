"""The translation of PostgreSQL's errors into Redshift's."""

from __future__ import annotations

import pytest

from redshift_local.errors import as_redshift_error


def test_the_byte_length_check_of_a_varchar_becomes_redshifts_error() -> None:
    fields = {
        "S": "ERROR",
        "V": "ERROR",
        "C": "23514",
        "M": 'new row for relation "t" violates check constraint "_bytes_city_12"',
        "D": "Failing row contains (secret).",
        "n": "_bytes_city_12",
    }
    changed = as_redshift_error(fields)
    assert (changed["C"], changed["M"]) == ("22001", "value too long for type character varying(12)")
    assert "secret" not in str(changed)


def test_the_error_of_another_check_stays_unchanged() -> None:
    fields = {"C": "23514", "M": "violates", "n": "positive_12"}
    assert as_redshift_error(fields) == fields


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_conflict_has_exactly_the_message_that_clients_compare(code: str) -> None:
    changed = as_redshift_error({"S": "ERROR", "C": code, "M": "deadlock detected"}, pid=42)
    assert (changed["C"], changed["M"]) == ("XX000", "1023")
    assert changed["D"].startswith("Serializable isolation violation on table - ")
    assert "(pid:42)" in changed["D"]
