"""What a column type is: one object that holds everything about it.

Belongs here: the fields of that object, and finding types by name. Does not belong here: any type (the modules beside this one, or a
project's own), or suggestions (`suggestions`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from stori_pipeline.imports import later
from stori_pipeline.model.errors import DefinitionError

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

Role = Literal["key", "sortkey", "distkey", "cursor", "arrivals"]
"""The role of a column in its table."""

Engine = Literal["postgres", "redshift"]
"""The engines that compute checksums in SQL."""

ANY = "any"
"""In `Type.postgres`: every source type without an entry of its own."""


def _as_it_is(text: str) -> str:
    return text


def _never(_: str) -> str:
    return ""


def _always(_: pa.Array) -> bool:
    return True


def _nothing(_: pa.DataType) -> str:
    return ""


def _none(_: pa.DataType) -> tuple[int, ...] | None:
    return None


@dataclass(frozen=True)
class SuggestedFor:
    """For which columns of a source a definition suggests a type, each with the type as Python, such as `decimal(19, 2)`.

    Args:
        postgres: by Postgres's type, if its values need not be measured.
        arrow: for an Arrow type of a Parquet file; "" if another type is suggested.
        natives: by Python type of the values of a field in JSON or BSON. A field with several types of numbers counts as `Decimal`.
        texts: by regular expression that all texts of a field match. `convert` must take them, too.
        sized: the type, with its lengths, for these values: numbers or texts, None not among them; "" if it has none that takes them. If
            None, the type is as declared in the fields above.
    """

    postgres: Mapping[str, str] = field(default_factory=dict)
    arrow: Callable[[pa.DataType], str] = _nothing
    natives: Mapping[type, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    sized: Callable[[Sequence[Any]], str] | None = None


@dataclass(frozen=True, kw_only=True)
class Type:
    """One column type. Two are equal if their names are.

    Args:
        name: as in a definition and in the documents: `bigint`, `varchar(64)`.
        arrow: the type that lands, or a function that returns it: then Arrow is imported only where a table is read or written.
        redshift: the type of the mirror's column.
        stage: the type of the column that COPY fills, if it differs.
        load: the expression that converts a value on its way from there to the mirror; `{}` stands for the column.
        max_bytes: of text and documents, the longest value in bytes of UTF-8.
        convert: converts one value (never None) to the column's type, or raises MisfitError. It defines which values fit; the fields below
            are faster, and never accept a value that it refuses.
        natives: the exact Python types whose values Arrow converts to a column without loss.
        text_form: a regular expression of the texts that Arrow may parse; "" if it may parse none.
        from_texts: parses a column of such texts; by default a cast to `arrow`.
        fits: whether all values of a column that Arrow parsed are within the type's bounds.
        copy_form: which texts of COPY in Postgres Arrow may parse: a regular expression, whose texts then go through `from_texts`; "" for
            any text, which is parsed without `from_texts`; None if each value must go through `convert`.
        canonical: the text of a value from which its checksum is computed.
        canonical_sql: the same in SQL, for a column's expression and an engine; never NULL for a value.
        seen: the canonical text of a value as people see it, if it is not itself.
        roles: the roles that a column of the type can have in its table.
        is_document: whether values are JSON. They land as bytes, and are text in frames.
        is_text: whether a value is a text as the source has it. Then spaces around it count, and a key shows it instead of its canonical
            text.
        postgres: the types of Postgres from which it is read, each with the expression of the value, `{x}` for the column. `ANY` is for all
            other types.
        postgres_valid: for types of Postgres with values for which that expression fails: the condition that it does not, in Postgres 16
            and later. A value that does not meet it goes to quarantine.
        postgres_unfit: for that expression, the condition that the type does not hold its value; "" if it holds every value. Such a value
            is in quarantine and not in the mirror, so a comparison takes it for different from every value.
        of_arrow: for an Arrow type in a frame: the type's lengths if it holds every value of it (() if it has no length), else None.
        suggested_for: for which columns of a source a definition suggests it.
        module: the module from which a definition imports it.
        catalog_name: its name in Redshift's catalog, with its lengths, if that is not its own: `numeric(9,2)`.
        in_frames: the Arrow type of its values in a frame that is read from the warehouse, if that is not `arrow`; or such a function.
        from_driver: converts a value of the warehouse's driver to one of `in_frames`; by default Arrow converts it.
        unfit_code: the code of quarantine for a value of a star table that cannot be cast to this type.
        docs: its sentence in the documents: what it holds.
    """

    name: str
    arrow: pa.DataType = field(compare=False)
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
    seen: Callable[[str], str] = field(default=_as_it_is, compare=False, repr=False)
    roles: frozenset[Role] = field(default=frozenset(), compare=False, repr=False)
    is_document: bool = field(default=False, compare=False, repr=False)
    is_text: bool = field(default=False, compare=False, repr=False)
    postgres_valid: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    postgres_unfit: Callable[[str], str] = field(default=_never, compare=False, repr=False)
    of_arrow: Callable[[pa.DataType], tuple[int, ...] | None] = field(default=_none, compare=False, repr=False)
    suggested_for: SuggestedFor = field(default=SuggestedFor(), compare=False, repr=False)
    module: str = field(default="stori_pipeline.model", compare=False, repr=False)
    catalog_name: str = field(default="", compare=False, repr=False)
    in_frames: pa.DataType = field(default_factory=lambda: None, compare=False, repr=False)
    from_driver: Callable[[Any], Any] | None = field(default=None, compare=False, repr=False)
    unfit_code: str = field(default="type", compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, value in (("stage", self.redshift), ("catalog_name", self.name)):
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        for name, make in ((each, self.__dict__[each]) for each in ("arrow", "in_frames")):
            if make is None or callable(make):  # until somebody asks for it: see `__getattr__`
                object.__setattr__(self, f"_make_{name}", make)
                object.__delattr__(self, name)

    def __getattr__(self, name: str) -> Any:
        """An Arrow type that is asked for the first time."""
        if f"_make_{name}" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        make = self.__dict__[f"_make_{name}"]
        object.__setattr__(self, name, self.arrow if make is None else make())
        return self.__dict__[name]

    def __str__(self) -> str:
        return self.name

    @property
    def base(self) -> str:
        """The name without its lengths: `varchar` of `varchar(64)`."""
        return self.name.partition("(")[0]

    def frame_column(self, values: Sequence[Any]) -> pa.Array:
        """A column of a frame from the values of the warehouse's driver, None for NULL."""
        read = self.from_driver
        return pa.array(values if read is None else [None if value is None else read(value) for value in values], self.in_frames)

    @property
    def is_integer(self) -> bool:
        return bool(pa.types.is_integer(self.arrow))

    @property
    def is_day(self) -> bool:
        return bool(pa.types.is_date(self.arrow))

    def postgres_expression(self, source_type: str, column: str) -> str | None:
        """The expression of a column of that type of Postgres; None if this type cannot be read from it."""
        template = self.postgres.get(source_type, self.postgres.get(ANY))
        return None if template is None else template.format(x=column)

    def docs_row(self) -> str:
        """The type's row in the documents' table."""
        return f"| `{self.base}` | {self.docs} | {self.arrow} | {self.redshift} | {', '.join(f'`{each}`' for each in self.postgres)} |"


class Family(NamedTuple):
    """The types of one base name: one of them, and how to make one from its lengths. A type without lengths is alone in its family."""

    example: Type
    make: Callable[..., Type]


REGISTRY: dict[str, Family] = {}
"""Every registered type, by its base name."""


def register(example: Type, make: Callable[..., Type] | None = None) -> Type:
    """Registers a type under its name, for `parse`, frames, suggested definitions and the documents.

    Args:
        example: the type; of a family with lengths, any one of its types.
        make: makes a type of the family from its lengths.

    Raises:
        DefinitionError: another type of that name exists.
    """
    existing = REGISTRY.get(example.base)
    if existing is not None and (existing.example != example or existing.example.arrow != example.arrow):
        raise DefinitionError(f"type {example.base}: there is a type of that name already, {existing.example}; rename yours")
    REGISTRY[example.base] = Family(example, make or (lambda: example))
    return example


def registered() -> Iterator[Type]:
    """Every registered type; of a family with lengths, its example."""
    return (family.example for family in REGISTRY.values())


def parse(name: str) -> Type:
    """The type of that name, such as `varchar(64)`.

    Raises:
        DefinitionError: there is no such type.
    """
    match = _WITH_LENGTHS.fullmatch(name)
    if match is None or match[1] not in REGISTRY:
        raise DefinitionError(f"there is no type {name!r}; there are {', '.join(REGISTRY)}")
    family = REGISTRY[match[1]]
    try:
        return family.make(*_lengths(match))
    except TypeError:
        raise DefinitionError(f"{name!r}: {match[1]} takes other lengths, as in {family.example}") from None


_WITH_LENGTHS = re.compile(r"(\w[\w ]*)(?:\((\d+(?:, *\d+)*)\))?")


def _lengths(name: re.Match[str]) -> Iterator[int]:
    return (int(each) for each in (name[2] or "").split(",") if each)


def type_in_catalog(name: str) -> Type | None:
    """The type that Redshift's catalog calls so, such as `numeric(9,2)`; None if there is none."""
    match = _WITH_LENGTHS.fullmatch(name)
    for family in REGISTRY.values() if match else ():
        if match and family.example.catalog_name.partition("(")[0] == match[1]:
            try:
                return family.make(*_lengths(match))
            except TypeError:
                continue
    return None


def type_of(arrow: pa.DataType) -> Type | None:
    """The column type that holds every value of an Arrow type; None if there is none."""
    if pa.types.is_dictionary(arrow):
        return type_of(arrow.value_type)
    for family in REGISTRY.values():
        if (lengths := family.example.of_arrow(arrow)) is not None:
            return family.make(*lengths)
    return None
