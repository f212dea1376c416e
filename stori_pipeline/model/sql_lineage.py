"""The lineage of a SELECT: the tables that it reads, its columns, and the columns that each of them comes from.

Belongs here: parsing Redshift's SQL. sqlglot is imported inside functions, because loading it is slow and most commands do not parse.
Does not belong here: files, or which tables exist (the caller passes them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

_DIALECT = "redshift"


class UnsupportedSql(ValueError):
    """The SQL is not one SELECT whose lineage can be found. The message says what is wrong, where, and what to do."""


class Relation(NamedTuple):
    """A table or view that SQL may read: its columns in order, and its full name (of a view: the name of the table behind it)."""

    full_name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Select:
    """The columns of a SELECT. `lineage` has an entry for each of `columns`: a sorted list of (full name, column)."""

    columns: tuple[str, ...]
    lineage: dict[str, list[tuple[str, str]]]


def parse(sql: str) -> Any:
    """The tree of one SELECT.

    Raises:
        UnsupportedSql: `sql` is another statement, several statements, or not SQL.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ErrorLevel, SqlglotError

    try:
        trees = [tree for tree in sqlglot.parse(sql, dialect=_DIALECT, error_level=ErrorLevel.IMMEDIATE) if tree is not None]
    except SqlglotError as error:
        raise UnsupportedSql(f"Redshift cannot parse it: {_plain(error)}") from error
    if len(trees) != 1:
        raise UnsupportedSql(f"it holds {len(trees)} statements; it must be one SELECT")
    (tree,) = trees
    if not isinstance(tree, exp.Query) or tree.find(exp.Into):
        raise UnsupportedSql(f"it is {type(tree).__name__.upper()} rather than a SELECT that only reads; it must be one SELECT")
    return tree


def table_names(tree: Any) -> list[str]:
    """The tables that a tree names, as `schema.table` in lower case, sorted; names of CTEs are left out."""
    from sqlglot import exp

    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    tables = {(table.db.lower(), table.name.lower()) for table in tree.find_all(exp.Table)}
    return sorted(f"{schema}.{name}" if schema else name for schema, name in tables if schema or name not in ctes)


def follow(tree: Any, relations: Mapping[str, Relation]) -> Select:
    """The columns of a tree from `parse`, and their lineage. Changes the tree: it cannot be used again.

    A column comes from every column in its expression, through CTEs, joins, unions, subqueries and `*`. The conditions of joins and of
    WHERE select rows and do not count.

    Args:
        relations: the table or view for each name in `table_names(tree)`.

    Raises:
        UnsupportedSql: a column exists in none of the tables or in several, a result column has no name, or two have the same name.
    """
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope
    from sqlglot.schema import MappingSchema

    _refuse_nameless(tree)
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for full_name, relation in relations.items():
        schema_name, _, name = full_name.partition(".")
        schema.setdefault(schema_name, {})[name] = dict.fromkeys(relation.columns, "unknown")
    try:
        qualified = qualify(tree, schema=MappingSchema(schema, dialect=_DIALECT, normalize=False), dialect=_DIALECT)
        scope = build_scope(qualified)
    except SqlglotError as error:
        raise UnsupportedSql(
            f"{_plain(error)}; write a column that its tables have, with the table's name or alias where several have it"
        ) from error
    columns = tuple(str(name) for name in qualified.named_selects)
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise UnsupportedSql(f"two of its columns are called {', '.join(twice)}; give each a name of its own with AS")
    origins = _Origins(relations).of(scope)
    return Select(columns, {name: sorted(origin) for name, origin in zip(columns, origins, strict=True)})


def _plain(error: Exception) -> str:
    """The first line of the parser's message; the others repeat the SQL with terminal colours."""
    return str(error).splitlines()[0].rstrip(".")


def _refuse_nameless(tree: Any) -> None:
    from sqlglot import exp

    for place, column in enumerate(tree.selects, 1):
        if not (isinstance(column, (exp.Alias, exp.Column, exp.Star)) and (column.is_star or column.alias_or_name)):
            raise UnsupportedSql(f"its column {place} has no name: {column.sql(dialect=_DIALECT)}; give it one with AS")


_Origin = set[tuple[str, str]]


class _Origins:
    """Finds the columns of tables that the columns of a scope come from. Each scope is computed once."""

    def __init__(self, relations: Mapping[str, Relation]) -> None:
        self._relations = relations
        self._by_scope: dict[int, list[_Origin]] = {}

    def of(self, scope: Any) -> list[_Origin]:
        """For each column of the scope, in order, the columns of tables that it comes from."""
        # The expression identifies a scope: in a recursive query, sqlglot gives its first half two scope objects.
        key = id(scope.expression)
        if key not in self._by_scope:
            if scope.set_operation_scopes:
                left, right = map(self.of, scope.set_operation_scopes)
                self._by_scope[key] = [a | b for a, b in zip(left, right, strict=True)]
            else:
                self._by_scope[key] = [self._expression(scope, column) for column in scope.expression.selects]
        return self._by_scope[key]

    def _expression(self, scope: Any, expression: Any) -> _Origin:
        from sqlglot import exp

        inner = {id(sub.expression): sub for sub in scope.subquery_scopes}
        origin: _Origin = set()
        for node in _outside_subqueries(expression):
            if isinstance(node, exp.Column):
                origin |= self._column(scope, node)
            elif id(node) in inner:
                origin |= set().union(*self.of(inner[id(node)]))
        return origin

    def _column(self, scope: Any, column: Any) -> _Origin:
        from sqlglot import exp

        source = scope.sources.get(column.table)
        if source is None:
            return set()  # a value without a table, such as a date part
        if isinstance(source, exp.Table):
            relation = self._relations[f"{source.db}.{source.name}"]
            return {(relation.full_name, column.name)}
        names = source.expression.named_selects
        return self.of(source)[names.index(column.name)] if column.name in names else set()


def _outside_subqueries(expression: Any) -> Iterator[Any]:
    """The nodes of an expression. A subquery is one of them; the nodes inside it are not."""
    from sqlglot import exp

    return iter(expression.walk(prune=lambda node: isinstance(node, exp.Query) and not isinstance(node, exp.Subquery)))
