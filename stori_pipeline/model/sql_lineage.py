"""What a SELECT is made of: the tables it reads, the columns it gives, and the columns that each of those comes from.

Belongs here: reading Redshift's SQL. Does not belong here: files, or which tables there are (the caller says what is known).

sqlglot is imported where it is used: what only wants to know that there are reports shall not wait for a parser.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

_DIALECT = "redshift"


class NotUnderstood(ValueError):
    """The SQL is not one SELECT that can be followed. The message says what and where, and what to do about it."""


class Relation(NamedTuple):
    """A table or view that SQL may read: the full name of what it is a view of (or its own), and its columns in order."""

    full_name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Select:
    """A SELECT that was followed. `lineage` has an entry for each of `columns`, each a list of (full name, column), sorted."""

    columns: tuple[str, ...]
    lineage: dict[str, list[tuple[str, str]]]


def parse(sql: str) -> Any:
    """The tree of one SELECT.

    Raises:
        NotUnderstood: it is something else, or more than one statement.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ErrorLevel, SqlglotError

    try:
        trees = [tree for tree in sqlglot.parse(sql, dialect=_DIALECT, error_level=ErrorLevel.IMMEDIATE) if tree is not None]
    except SqlglotError as error:
        raise NotUnderstood(f"it is no SQL that Redshift reads: {_plain(error)}") from error
    if len(trees) != 1:
        raise NotUnderstood(f"it holds {len(trees)} statements; it must be one SELECT")
    (tree,) = trees
    if not isinstance(tree, exp.Query) or tree.find(exp.Into):
        raise NotUnderstood(f"it is {type(tree).__name__.upper()} rather than a SELECT that only reads; it must be one SELECT")
    return tree


def named(tree: Any) -> list[str]:
    """The tables that a tree names, as `schema.table` in lower case, sorted; names of CTEs are none."""
    from sqlglot import exp

    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    written = {(table.db.lower(), table.name.lower()) for table in tree.find_all(exp.Table)}
    return sorted(f"{schema}.{name}" if schema else name for schema, name in written if schema or name not in ctes)


def follow(tree: Any, known: Mapping[str, Relation]) -> Select:
    """The columns of a tree from `parse`, and where they come from. The tree is used up.

    A column comes from every column in its expression, through CTEs, joins, unions, subqueries and `*`; conditions of joins and of
    WHERE decide about rows and are not counted.

    Args:
        known: what each name in `named(tree)` stands for.

    Raises:
        NotUnderstood: a column that none of the tables has, or that several have; a result column without a name, or two of a name.
    """
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope
    from sqlglot.schema import MappingSchema

    _refuse_nameless(tree)
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for written, relation in known.items():
        at, _, name = written.partition(".")
        schema.setdefault(at, {})[name] = dict.fromkeys(relation.columns, "unknown")
    try:
        qualified = qualify(tree, schema=MappingSchema(schema, dialect=_DIALECT, normalize=False), dialect=_DIALECT)
        scope = build_scope(qualified)
    except SqlglotError as error:
        said = _plain(error)
        raise NotUnderstood(f"{said}; write a column that its tables have, with the table's name or alias where several have it") from error
    columns = tuple(str(name) for name in qualified.named_selects)
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise NotUnderstood(f"two of its columns are called {', '.join(twice)}; give each a name of its own with AS")
    origins = _Origins(known).of(scope)
    return Select(columns, {name: sorted(origin) for name, origin in zip(columns, origins, strict=True)})


def _plain(error: Exception) -> str:
    """The first line of the parser's own message, which marks the place with a terminal's colours in those after it."""
    return str(error).splitlines()[0].rstrip(".")


def _refuse_nameless(tree: Any) -> None:
    from sqlglot import exp

    for place, column in enumerate(tree.selects, 1):
        if not (isinstance(column, (exp.Alias, exp.Column, exp.Star)) and (column.is_star or column.alias_or_name)):
            raise NotUnderstood(f"its column {place} has no name: {column.sql(dialect=_DIALECT)}; give it one with AS")


_Origin = set[tuple[str, str]]


class _Origins:
    """Where the columns of scopes come from, each scope looked at once."""

    def __init__(self, known: Mapping[str, Relation]) -> None:
        self._known = known
        self._seen: dict[int, list[_Origin]] = {}

    def of(self, scope: Any) -> list[_Origin]:
        """For each column of the scope, in order, the columns of tables that it is made of."""
        # By the expression, since a recursive query is given its first half as a scope that is not the one in the union.
        at = id(scope.expression)
        if at not in self._seen:
            if scope.set_operation_scopes:
                left, right = map(self.of, scope.set_operation_scopes)
                self._seen[at] = [a | b for a, b in zip(left, right, strict=True)]
            else:
                self._seen[at] = [self._expression(scope, column) for column in scope.expression.selects]
        return self._seen[at]

    def _expression(self, scope: Any, expression: Any) -> _Origin:
        from sqlglot import exp

        inner = {id(sub.expression): sub for sub in scope.subquery_scopes}
        found: _Origin = set()
        for node in _outside_subqueries(expression):
            if isinstance(node, exp.Column):
                found |= self._column(scope, node)
            elif id(node) in inner:
                found |= set().union(*self.of(inner[id(node)]))
        return found

    def _column(self, scope: Any, column: Any) -> _Origin:
        from sqlglot import exp

        source = scope.sources.get(column.table)
        if source is None:
            return set()  # a value without a table, such as a date part
        if isinstance(source, exp.Table):
            relation = self._known[f"{source.db}.{source.name}"]
            return {(relation.full_name, column.name)}
        names = source.expression.named_selects
        return self.of(source)[names.index(column.name)] if column.name in names else set()


def _outside_subqueries(expression: Any) -> Iterator[Any]:
    """The nodes of an expression down to its subqueries, which are yielded and not entered."""
    from sqlglot import exp

    return iter(expression.walk(prune=lambda node: isinstance(node, exp.Query) and not isinstance(node, exp.Subquery)))
