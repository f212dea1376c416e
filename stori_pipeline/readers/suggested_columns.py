"""The columns of suggested definitions, from sampled rows; a person reads, corrects and keeps them.

Belongs here: what the kinds of sources share whose rows are sampled. Does not belong here: which type takes a field's values
(`model.types.suggestions`), or the text around the columns (`scaffolding`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stori_pipeline.model.names import name_for, names_for
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import Type
from stori_pipeline.model.types.suggestions import Suggestion, for_values
from stori_pipeline.readers.json_rows import as_document, path_of, with_flat_names
from stori_pipeline.readers.scaffolding import SuggestedColumn


def suggested_column(name: str, found: Suggestion, path: str, *, is_key: bool = False) -> SuggestedColumn:
    """A column with a type for its sampled values. A sampled source guarantees that the key has values, and nothing else."""
    return SuggestedColumn(name, found.python, nullable=not is_key, path=path, notes=(found.comment,) if found.comment else ())


@dataclass
class Sampled:
    """The fields of sampled rows, in the order in which they were found.

    `values` has, by a field's name, an entry for each row that has the field, null or not; `rows` is the number of all rows.
    """

    rows: int = 0
    values: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        self.rows += 1
        for name, value in row.items():
            self.values.setdefault(name, []).append(value)

    def key(self) -> str:
        """The field that may identify a row: called like a key, with another value in each row; "" if there is none."""
        names = [name for name in self.values if has_path(name) and _KEY_NAME.search(name.strip()) and self._identifies(name)]
        return next((name for name in names if name.strip().casefold() in ("id", "_id")), names[0] if names else "")

    def _identifies(self, name: str) -> bool:
        values = self.values[name]
        if any(isinstance(value, (dict, list)) for value in values):
            return False
        # As texts, because a key with values of several types is one of texts.
        return len({str(value).strip() for value in values if value is not None} - {""}) == self.rows


_KEY_NAME = re.compile(r"(^|[\W_])(?i:id|uuid|guid|key)$|[a-z0-9](Id|ID)$")


def taken_names(known: Iterable[Table], defines: Callable[[Table], bool]) -> set[str]:
    """The names in the warehouse that a suggested table may not have: those of the project's tables, and of their views.

    Args:
        known: the project's tables of the source.
        defines: whether a table is the one that a definition is suggested for.
    """
    others = [table for table in known if not defines(table)]
    return {table.name for table in others} | {view.partition(".")[2] for table in others for view in table.views}


def has_path(name: str) -> bool:
    """Whether a path can lead to a member with that name."""
    return bool(name) and "\0" not in name and name.isprintable()


class Suggest(Protocol):
    """The type for a field with these values, as the source has them."""

    def __call__(self, values: list[Any], /, *, is_key: bool = False) -> Suggestion: ...


def for_json(values: list[Any], /, *, is_key: bool = False) -> Suggestion:
    """The type for a field of JSON."""
    return for_values(values, handed=handed_as_json, role="key" if is_key else None)


def handed_as_json(kind: Type, value: Any) -> Any:
    """What the readers of JSON hand to the contract."""
    return as_document(value) if kind.is_document else value


def column_text(name: str, values: Sequence[Any], *, key: bool = False) -> str:
    """The column for a field of JSON with these values, as Python."""
    return suggested_column(name_for(name), for_json(list(values), is_key=key), path_of(name), is_key=key).python


def columns_of(
    sampled: Sampled, keys: Iterable[str] = (), *, suggest: Suggest = for_json, taken: Iterable[str] = ()
) -> dict[str, SuggestedColumn]:
    """The suggested columns for sampled rows, by the fields' names. Fields to which no path leads are left out.

    Args:
        keys: the fields that identify a row.
        taken: names of other columns.
    """
    fields = [name for name in sampled.values if has_path(name)]
    names, some = names_for(fields, taken), set(keys)
    types = {name: suggest(sampled.values[name], is_key=name in some) for name in fields}
    return {name: suggested_column(names[name], types[name], path_of(name), is_key=name in some) for name in fields}


def without_path(sampled: Sampled) -> list[str]:
    """A note for each field that is left out."""
    return [f"{name!r} is left out, because no path can name it" for name in sampled.values if not has_path(name)]


def uncovered(sampled: Sampled, covered: Iterable[str], taken: Iterable[str], *, suggest: Suggest = for_json) -> list[SuggestedColumn]:
    """Suggested columns for what no path of a definition covers and any row has a value for. The members of objects are columns of their
    own, because the definition may read some of them.

    Args:
        covered: the definition's paths.
        taken: the names of its columns.
    """
    paths, names = with_flat_names(covered), set(taken)
    found: list[SuggestedColumn] = []

    def look(fields: Sampled, before: str) -> None:
        for name, all_values in fields.values.items():
            path = f"{before}{path_of(name)}"
            values = [value for value in all_values if value is not None]
            if not has_path(name) or path in paths or not values:
                continue
            if all(isinstance(value, dict) for value in values):
                inner = Sampled()
                for value in values:
                    inner.add(value)
                look(inner, f"{path}.")
            else:
                ours = name_for(name)
                ours = name_for(path, names) if ours in names else ours
                names.add(ours)
                found.append(suggested_column(ours, suggest(values), path))

    look(sampled, "")
    return found
