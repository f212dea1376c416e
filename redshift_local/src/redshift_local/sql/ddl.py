"""CREATE TABLE and ALTER TABLE ADD: translates Redshift's declarations into PostgreSQL's.

Belongs here: columns, keys and attributes of a table. Does not belong here: types (`column_types`), and other DDL (`commands`, `alter`).
Distribution keys, sort keys and encodings are validated and left out, because they do not change results. Other keys are left out too,
because Redshift does not enforce them; PRIMARY KEY makes its columns NOT NULL.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from redshift_local.errors import RedshiftError
from redshift_local.sql.column_types import NAMES, ColumnType, column_type, key_mark
from redshift_local.sql.cursor import Cursor, table_sql
from redshift_local.sql.dialect import name_sql, parse_tree, render, words
from redshift_local.sql.queries import rewrite
from redshift_local.sql.refusals import refused, syntax, unsupported

ENCODINGS = words("""
    auto raw az64 bytedict delta delta32k lzo mostly8 mostly16 mostly32 runlength text255 text32k zstd
""")
_AFTER_DEFAULT = words("""
    encode distkey sortkey not null identity generated unique primary references collate , as
""")


@dataclass
class _Column:
    name: str
    type: ColumnType
    not_null: bool = False
    default: str = ""
    identity: str = ""
    attributes: set[str] = field(default_factory=set)
    """Attributes that do not change the column's SQL, such as `primary` and `distkey`."""

    is_key: bool = False
    """Whether PRIMARY KEY, UNIQUE or FOREIGN KEY names it. Redshift does not widen such a VARCHAR."""

    def sql(self) -> str:
        parts = [name_sql(self.name), self.type.sql, self.identity, f"DEFAULT {self.default}" if self.default else ""]
        checks = [self.type.check(self.name), key_mark(self.name) if self.is_key and self.type.name == "character varying" else ""]
        return " ".join(part for part in (*parts, "NOT NULL" if self.not_null else "", *checks) if part)


@dataclass
class _Attributes:
    distkeys: list[str] = field(default_factory=list)
    sortkeys: list[str] = field(default_factory=list)
    diststyle: str = ""


@dataclass
class _Definition:
    columns: dict[str, _Column] = field(default_factory=dict)
    likes: list[str] = field(default_factory=list)
    primary: tuple[str, ...] = ()
    keys: list[str] = field(default_factory=list)
    """The columns of UNIQUE and FOREIGN KEY."""


def create_table(cursor: Cursor) -> str:
    """PostgreSQL's statement for `CREATE [TEMP] TABLE ...`. The cursor is after CREATE [LOCAL] [TEMP] TABLE.

    Raises:
        RedshiftError: Redshift, or the local Redshift, refuses the statement.
    """
    temporary = any(word.text in ("temp", "temporary") for word in cursor.words[: cursor.position])
    exists = cursor.accept("if", "not", "exists")
    table = cursor.table()
    if temporary and table[0]:
        raise refused("42P16", "cannot create temporary relation in non-temporary schema")
    head = f"CREATE {'TEMP ' if temporary else ''}TABLE {'IF NOT EXISTS ' if exists else ''}{table_sql(table)}"
    if not cursor.peek("(") or _is_column_list(cursor):
        names = cursor.names() if cursor.peek("(") else ()
        _attributes(cursor)
        if exists:
            raise syntax("as", "CREATE TABLE AS has no IF NOT EXISTS on Redshift.")
        listed = f" ({', '.join(map(name_sql, names))})" if names else ""
        return f"{head}{listed} AS {_query(cursor)}"
    definition = _definition(cursor, table[1])
    attributes = _attributes(cursor)
    cursor.expect_end()
    _check(definition, attributes, table[1])
    elements = [column.sql() for column in definition.columns.values()] + definition.likes
    return f"{head} ({', '.join(elements)})"


def _query(cursor: Cursor) -> str:
    cursor.expect("as")
    start, tokens = cursor.current.start, cursor.rest()
    if not tokens:
        raise cursor.error()
    rewritten = rewrite(parse_tree(tokens, cursor.source))
    return render(rewritten.tree) if rewritten.changed else cursor.source[start : cursor.words[-1].end]


def _is_column_list(cursor: Cursor) -> bool:
    """Whether the parentheses at the cursor contain only names, so that AS must follow."""
    start = cursor.position
    try:
        cursor.names()
    except RedshiftError:
        return False
    finally:
        cursor.position = start
    return True


def _definition(cursor: Cursor, table: str) -> _Definition:
    definition = _Definition()
    cursor.expect("(")
    cursor.comma_separated(lambda: _element(cursor, table, definition))
    cursor.expect(")")
    return definition


def _element(cursor: Cursor, table: str, definition: _Definition) -> None:
    if cursor.accept("like"):
        parent = table_sql(cursor.table())
        defaults = ""
        if word := cursor.one_of("including", "excluding"):
            cursor.expect("defaults")
            defaults = " INCLUDING DEFAULTS" if word == "including" else ""
        definition.likes.append(f"LIKE {parent} INCLUDING CONSTRAINTS{defaults}")
        return
    if cursor.accept("constraint"):
        cursor.name()
    if cursor.accept("primary", "key"):
        if definition.primary:
            raise refused("42P16", f'multiple primary keys for table "{table}" are not allowed')
        definition.primary = cursor.names()
    elif cursor.accept("unique"):
        definition.keys += cursor.names()
    elif cursor.accept("foreign", "key"):
        definition.keys += cursor.names()
        cursor.expect("references")
        _referenced(cursor)
    elif cursor.peek("check", "(") or cursor.peek("exclude", "using"):
        raise refused("0A000", f"{cursor.current.text.upper()} constraint is not supported", "Redshift has no such constraint.")
    else:
        column = _column(cursor, table)
        if column.name in definition.columns:
            raise refused("42701", f'column "{column.name}" specified more than once')
        if "primary" in column.attributes:
            if definition.primary:
                raise refused("42P16", f'multiple primary keys for table "{table}" are not allowed')
            definition.primary = (column.name,)
        definition.columns[column.name] = column


def _referenced(cursor: Cursor) -> None:
    cursor.table()
    if cursor.peek("("):
        cursor.names()


def _type(cursor: Cursor, where: str) -> ColumnType:
    """Move over a type; returns it. Of several names that match, the longest is used."""
    for length in (4, 3, 2):
        ahead = cursor.words[cursor.position : cursor.position + length]
        name = " ".join(word.text for word in ahead)
        if name in NAMES and all(word.kind == "word" for word in ahead):
            cursor.position += length
            break
    else:
        name = cursor.take("word", "quoted")
    arguments: tuple[str, ...] = ()
    if cursor.accept("("):
        arguments = tuple(cursor.comma_separated(lambda: cursor.take("number", "word")))
        cursor.expect(")")
    if cursor.peek("["):
        raise refused("0A000", f'Column "{where}" has unsupported type "{name}[]".')
    return column_type(name, arguments, where)


def _column(cursor: Cursor, table: str) -> _Column:
    name = cursor.name()
    column = _Column(name, _type(cursor, f"{table}.{name}"))
    while not (cursor.peek(",") or cursor.peek(")") or cursor.current.kind == "end"):
        _column_attribute(cursor, column)
    return column


def _column_attribute(cursor: Cursor, column: _Column) -> None:  # noqa: C901  # a flat list of the possible attributes
    if cursor.accept("default"):
        tree = parse_tree(cursor.until(_AFTER_DEFAULT), cursor.source)
        column.default = render(rewrite(tree).tree)
    elif cursor.accept("identity"):
        column.identity = _identity(cursor, "ALWAYS", column)
    elif cursor.accept("generated", "by", "default", "as", "identity"):
        column.identity = _identity(cursor, "BY DEFAULT", column)
    elif cursor.accept("not", "null"):
        column.not_null = True
    elif cursor.accept("null"):
        column.attributes.add("null")
    elif cursor.accept("primary", "key"):
        column.attributes.add("primary")
        column.not_null = True
    elif word := cursor.one_of("distkey", "sortkey", "unique"):
        column.attributes.add(word)
    elif cursor.accept("references"):
        _referenced(cursor)
        column.attributes.add("foreign")
    elif cursor.accept("encode"):
        _encoding(cursor)
    elif cursor.accept("collate"):
        if cursor.name() not in ("case_sensitive", "cs"):
            raise unsupported("COLLATE CASE_INSENSITIVE")
    elif cursor.peek("check", "("):
        raise refused("0A000", "CHECK constraint is not supported", "Redshift has no such constraint.")
    else:
        raise cursor.error()


def _encoding(cursor: Cursor) -> None:
    encoding = cursor.take("word")
    if encoding not in ENCODINGS:
        raise refused("42601", f'invalid encoding type specified for column: "{encoding}"')


def _identity(cursor: Cursor, kind: str, column: _Column) -> str:
    if column.type.sql not in ("bigint", "integer"):
        raise refused("42601", f'identity column "{column.name}" must be of type INT or BIGINT')
    cursor.expect("(")
    seed = _signed(cursor)
    cursor.expect(",")
    step = _signed(cursor)
    cursor.expect(")")
    column.not_null = True
    bound = f"MINVALUE {seed}" if step > 0 else f"MAXVALUE {seed}"
    return f"GENERATED {kind} AS IDENTITY (START WITH {seed} INCREMENT BY {step} {bound})"


def _signed(cursor: Cursor) -> int:
    sign = -1 if cursor.accept("-") else 1
    text = cursor.take("number")
    if not text.isdigit():
        raise syntax(text)
    return sign * int(text)


def _attributes(cursor: Cursor) -> _Attributes:
    attributes = _Attributes()
    while True:
        if cursor.accept("diststyle"):
            attributes.diststyle = cursor.one_of("auto", "even", "key", "all")
            if not attributes.diststyle:
                raise cursor.error()
        elif cursor.accept("distkey"):
            attributes.distkeys += cursor.names()
        elif cursor.accept("sortkey", "auto") or cursor.accept("encode", "auto"):
            continue
        elif cursor.accept("compound", "sortkey") or cursor.accept("interleaved", "sortkey") or cursor.accept("sortkey"):
            attributes.sortkeys += cursor.names()
        elif cursor.accept("backup"):
            if not cursor.one_of("yes", "no"):
                raise cursor.error()
        else:
            return attributes


def _check(definition: _Definition, attributes: _Attributes, table: str) -> None:
    """Refuse keys on columns that do not exist or cannot be keys. Set `not_null` on the columns of the primary key."""
    columns = definition.columns
    distkeys = attributes.distkeys + [name for name, column in columns.items() if "distkey" in column.attributes]
    sortkeys = attributes.sortkeys + [name for name, column in columns.items() if "sortkey" in column.attributes]
    _check_distribution(distkeys, attributes.diststyle, table, inherits=bool(definition.likes))
    if len(sortkeys) > 400:
        raise refused("54011", "too many sort keys: at most 400")
    if len(columns) > 1600:
        raise refused("54011", "tables can have at most 1600 columns")
    for name in (*distkeys, *sortkeys, *definition.primary, *definition.keys):
        if name not in columns and not definition.likes:
            raise refused("42703", f'column "{name}" named in key does not exist')
    for name in (*distkeys, *sortkeys):
        if name in columns and columns[name].type.name == "super":
            raise refused("0A000", f'Column "{table}.{name}" of type SUPER cannot be a distribution key or a sort key')
    for name in definition.primary:
        if name in columns:
            columns[name].not_null = True
    for name, column in columns.items():
        column.is_key = name in (*definition.primary, *definition.keys) or bool(column.attributes & {"primary", "unique", "foreign"})
    for column in columns.values():
        if column.not_null and "null" in column.attributes:
            raise refused("42601", f'conflicting NULL/NOT NULL declarations for column "{column.name}" of table "{table}"')


def _check_distribution(keys: list[str], style: str, table: str, *, inherits: bool) -> None:
    if len(keys) > 1:
        raise refused("42601", f'too many distribution keys specified for table "{table}"')
    if keys and style not in ("", "key"):
        raise refused("42601", f"cannot specify DISTKEY for a table with DISTSTYLE {style.upper()}")
    if style == "key" and not keys and not inherits:
        raise refused("42601", f'DISTKEY must be specified for table "{table}" with DISTSTYLE KEY')


def add_column(cursor: Cursor, table: tuple[str | None, str]) -> str:
    """PostgreSQL's statement for `ALTER TABLE t ADD [COLUMN] ...`. The cursor is at the column's name."""
    column = _column(cursor, table[1])
    if cursor.peek(","):
        raise syntax(",", "Redshift adds one column per ALTER TABLE.")
    cursor.expect_end()
    if column.identity:
        raise refused("0A000", "ALTER TABLE ADD COLUMN cannot add an IDENTITY column")
    if column.attributes & {"primary", "unique", "distkey", "sortkey"}:
        raise refused("0A000", "ALTER TABLE ADD COLUMN cannot add a key column")
    if column.not_null and not column.default:
        raise refused("42601", "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression")
    return f"ALTER TABLE {table_sql(table)} ADD COLUMN {column.sql()}"


def wider_varchar(cursor: Cursor, table: tuple[str | None, str], column: str) -> int:
    """The new length in bytes of `ALTER COLUMN c TYPE VARCHAR(n)`. Redshift supports no other change of a type."""
    new = _type(cursor, f"{table[1]}.{column}")
    cursor.expect_end()
    if new.name != "character varying" or new.length is None:
        raise refused("0A000", f'target data type "{new.name}" is not supported: only the size of a VARCHAR column can be altered')
    return new.length
