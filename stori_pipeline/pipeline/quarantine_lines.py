"""The file in which people edit rejected rows: JSON lines, one row each.

Belongs here: writing and reading it. Does not belong here: which rows are in it (`quarantine`), or a row's raw form (`contract.raw`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from stori_pipeline.contract import raw_text
from stori_pipeline.pipeline.quarantine import QuarantineRefused
from stori_pipeline.pipeline.replayed_rows import Candidate, RowId


@dataclass(frozen=True)
class EditedRow:
    """A row of the file: its table's full name, the generation in which it was rejected, and its raw form as the file has it."""

    table: str
    generation: int
    row: RowId
    raw: str


def line_of(table: str, generation: int, candidate: Candidate) -> str:
    """One line: who edits the row changes `raw`, and nothing else. It has every digit of the row's numbers."""
    refused = candidate.refused
    known = {"table": table, "row": str(candidate.row), "generation": generation, "code": refused.code, "column": refused.column}
    return f'{raw_text(known | {"reason": refused.reason})[:-1]}, "raw": {" ".join(refused.raw.splitlines())}}}'


def edited_rows(lines: Iterable[str], file: str) -> list[EditedRow]:
    """The rows of a file that `line_of` wrote and somebody edited. Blank lines are left out.

    Raises:
        QuarantineRefused: a line is not such a row, or two lines are the same one.
    """
    found: dict[tuple[str, RowId], EditedRow] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row = _row(line, f"{file}, line {number}")
            if (row.table, row.row) in found:
                raise QuarantineRefused(f"{file}, line {number}: row {row.row} of {row.table} is in the file twice; remove one of the two")
            found[row.table, row.row] = row
    return list(found.values())


def _row(line: str, where: str) -> EditedRow:
    try:
        value: Mapping[str, Any] = json.loads(line, parse_float=Decimal)
        return EditedRow(str(value["table"]), int(value["generation"]), row_id(value["row"]), raw_text(value["raw"]))
    except json.JSONDecodeError as error:
        raise QuarantineRefused(f"{where}: it is no JSON: {error}; keep each row on a line of its own") from error
    except (KeyError, TypeError, ValueError) as error:
        raise QuarantineRefused(
            f"{where}: it is no row of an export ({type(error).__name__}: {error}); change only `raw` of what the export wrote"
        ) from error


def row_id(text: str) -> RowId:
    """The row that is written as `42:3`.

    Raises:
        ValueError: it is not.
    """
    batch, _, number = text.partition(":")
    return RowId(int(batch), int(number))
