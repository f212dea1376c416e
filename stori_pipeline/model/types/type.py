"""What a column type is: one object, with everything about it.

Belongs here: the fields of that object, and finding types by name. Does not belong here: any type (the modules beside this one, or a
project's own), or suggestions (`suggestions`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from stori_pipeline.model.errors import DefinitionError

Role = Literal["key", "sortkey", "distkey", "cursor", "arrivals"]
"""What a column can be to its table."""

Engine = Literal["postgres", "redshift"]
"""What computes checksums in SQL."""

ANY = "any"
"""In `Type.postgres`: every source type that is not named."""


def _as_it_is(text: str) -> str:
    return text


def _always(_: pa.Array) -> bool:
    return True


def _nothing(_: pa.DataType) -> str:
    return ""


def _none(_: pa.DataType) -> tuple[int, ...] | None:
    return None


@dataclass(frozen=True)
class SuggestedFor:
    """Where suggested definitions name a type, each with the Python that they then write, such as `decimal(19, 2)`.

    Args:
        postgres: types of Postgres whose values need not be measured.
        arrow: the Python for an Arrow type of a Parquet file; "" where another type is suggested.
        natives: Python types of the values of a field in JSON or BSON. A field with several kinds of numbers counts as `Decimal`.
        texts: regular expressions that all texts of a field match.
    """

    postgres: Mapping[str, str] = field(default_factory=dict)
    arrow: Callable[[pa.DataType], str] = _nothing
    natives: Mapping[type, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Type:
    """One column type. Two are equal if their names are.

    Args:
        name: as a definition and the documents say it: `bigint`, `varchar(64)`.
        arrow: the type that lands.
        redshift: the type of the mirror's column.
        stage, load: the type of the column that COPY fills, if it is another, and the expression through which a value then passes on its
            way to the mirror; `{}` stands for the column.
        max_bytes: of text and documents, the longest value in bytes of UTF-8.
        convert: turns one value (never None) into what the column holds, or raises MisfitError. It decides; what follows is quicker
            and never takes a value that it would not.
        natives: the exact Python types whose values Arrow turns into a column without losing any of them.
        text_form: a regular expression of texts that Arrow may parse; empty where it may parse none.
        from_texts: parses a whole column of such texts; a cast to `arrow` without it.
        fits: whether a whole column, parsed by Arrow, is within bounds.
        copy_form: how Postgres writes values that Arrow may take: a regular expression of texts, which then pass `from_texts`; empty for
            any text, as it is; None where each value has to pass `convert`.
        canonical: the text of a value that a checksum is made of.
        canonical_sql: the same in SQL, never NULL for a value: of a column's expression, for an engine.
        roles: what a column of the type can be to its table.
        is_document: whether values are JSON. They land as bytes, and are text in frames.
        is_text: whether a value is a text as the source has it. Then spaces around it count, and a key shows it instead of its canonical
            text.
        postgres: which of Postgres's types it is read from, and the expression of the value, `{x}` for the column. `ANY` names the rest.
        postgres_valid: for types of Postgres with values for which that expression fails: the condition that it does not, in Postgres 16
            and later. A value that does not meet it goes to quarantine.
        postgres_comparable: guards that expression in a comparison: a value beyond the type's bounds counts as NULL there.
        of_arrow: of which Arrow types it holds every value, in frames of any asset: its lengths for those, () where it has none, else None.
        suggested_for: where suggested definitions name it.
        module: where a definition imports it from.
        catalog_name: what Redshift's catalog calls it, if that is not its base name.
        unfit_code: the code of quarantine for a value of a star table that did not survive the cast to this type.
        docs: what the documents say of it: what it holds, in a sentence.
    """

    name: str
    arrow: pa.DataType
    redshift: str
    convert: Callable[[Any], Any] = field(compare=False, repr=False)
    canonical: Callable[[Any], str] = field(compare=False, repr=False)
    canonical_sql: Callable[[str, Engine], str] = field(compare=False, repr=False)
    postgres: Mapping[str, str] = field(compare=False, repr=False)
    docs: str = field(compare=False, repr=False)
    stage: str = ""
    load: str = "{}"
    max_bytes: int | None = None
    natives: frozenset[type] = field(default=frozenset(), compare=False, repr=False)
    text_form: str = field(default="", compare=False, repr=False)
    from_texts: Callable[[pa.Array], pa.Array] | None = field(default=None, compare=False, repr=False)
    fits: Callable[[pa.Array], bool] = field(default=_always, compare=False, repr=False)
    copy_form: str | None = field(default=None, compare=False, repr=False)
    roles: frozenset[Role] = field(default=frozenset(), compare=False, repr=False)
    is_document: bool = field(default=False, compare=False, repr=False)
    is_text: bool = field(default=False, compare=False, repr=False)
    postgres_valid: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    postgres_comparable: Callable[[str], str] = field(default=_as_it_is, compare=False, repr=False)
    of_arrow: Callable[[pa.DataType], tuple[int, ...] | None] = field(default=_none, compare=False, repr=False)
    suggested_for: SuggestedFor = field(default=SuggestedFor(), compare=False, repr=False)
    module: str = field(default="stori_pipeline.model", compare=False, repr=False)
    catalog_name: str = field(default="", compare=False, repr=False)
    unfit_code: str = field(default="type", compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, value in (("stage", self.redshift), ("catalog_name", self.base)):
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    def __str__(self) -> str:
        return self.name

    @property
    def base(self) -> str:
        """The name without its lengths: `varchar` of `varchar(64)`."""
        return self.name.partition("(")[0]

    @property
    def is_integer(self) -> bool:
        return bool(pa.types.is_integer(self.arrow))

    @property
    def is_day(self) -> bool:
        return bool(pa.types.is_date(self.arrow))

    def postgres_expression(self, source_type: str, column: str) -> str | None:
        """The expression of a column of that type of Postgres; None where the type is not read from it."""
        template = self.postgres.get(source_type, self.postgres.get(ANY))
        return None if template is None else template.format(x=column)

    def docs_row(self) -> str:
        """The type's line in a table of the documents."""
        return f"| `{self.base}` | {self.docs} | {self.arrow} | {self.redshift} | {', '.join(f'`{each}`' for each in self.postgres)} |"


class Family(NamedTuple):
    """The types of one base name: one of them, and how to make one from its lengths. A type without lengths is alone in its family."""

    example: Type
    make: Callable[..., Type]


REGISTRY: dict[str, Family] = {}
"""Every known type, by its base name."""


def register(example: Type, make: Callable[..., Type] | None = None) -> Type:
    """Make a type known by its name: to `parse`, to frames, to suggested definitions, and to the documents.

    Args:
        example: the type; of a family with lengths, any one of it.
        make: makes a type of the family from its lengths.

    Raises:
        DefinitionError: there is another type of that name.
    """
    known = REGISTRY.get(example.base)
    if known is not None and known.example != example:
        raise DefinitionError(f"type {example.base}: there is one of that name already, {known.example}; call yours otherwise")
    REGISTRY[example.base] = Family(example, make or (lambda: example))
    return example


def registered() -> Iterator[Type]:
    """Every known type; of a family with lengths, its example."""
    return (family.example for family in REGISTRY.values())


def parse(name: str) -> Type:
    """The type of that name, such as `varchar(64)`.

    Raises:
        DefinitionError: there is none.
    """
    match = re.fullmatch(r"(\w+)(?:\((\d+(?:, *\d+)*)\))?", name)
    if match is None or match[1] not in REGISTRY:
        raise DefinitionError(f"there is no type {name!r}; there are {', '.join(REGISTRY)}")
    family = REGISTRY[match[1]]
    try:
        return family.make(*(int(each) for each in (match[2] or "").split(",") if each))
    except TypeError:
        raise DefinitionError(f"{name!r}: {match[1]} takes other lengths, as in {family.example}") from None


def type_of(arrow: pa.DataType) -> Type | None:
    """The column type that holds every value of an Arrow type; None where there is none."""
    if pa.types.is_dictionary(arrow):
        return type_of(arrow.value_type)
    for family in REGISTRY.values():
        if (lengths := family.example.of_arrow(arrow)) is not None:
            return family.make(*lengths)
    return None
