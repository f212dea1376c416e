"""Parses Redshift's SQL into tokens and trees, and generates PostgreSQL's SQL from trees.

Belongs here: the two sqlglot dialects. Does not belong here: the meaning of a tree (`rules`, `functions`, `ddl`), and choosing a parser
(`statements`). sqlglot's own Redshift dialect translates functions while it parses (GETDATE() becomes CURRENT_TIMESTAMP). This one keeps a
call as written, so that `functions` decides about every call, and no unknown one is forwarded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.dialects.redshift import Redshift
from sqlglot.errors import ParseError, TokenError
from sqlglot.generators.postgres import PostgresGenerator
from sqlglot.parsers.redshift import RedshiftParser
from sqlglot.tokens import Token, TokenType

from redshift_local.errors import RedshiftError


def _approximate(parser: Any) -> Any:
    """`APPROXIMATE COUNT(DISTINCT x)`, parsed as a call of `approximate` whose argument is the following call."""
    return parser.expression(exp.Anonymous(this="approximate", expressions=[parser._parse_function()]))


class _Parser(RedshiftParser):  # type: ignore[misc]  # sqlglot is followed as untyped
    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    # Functions with keywords inside their parentheses. All others are parsed as a name with arguments.
    FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
        name: RedshiftParser.FUNCTION_PARSERS[name] for name in ("CAST", "CONVERT", "EXTRACT", "POSITION", "SUBSTRING", "TRIM")
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
        "ANY": RedshiftParser.NO_PAREN_FUNCTION_PARSERS["ANY"],
        "CASE": RedshiftParser.NO_PAREN_FUNCTION_PARSERS["CASE"],
        "SYSDATE": RedshiftParser.NO_PAREN_FUNCTION_PARSERS["SYSDATE"],
        "APPROXIMATE": _approximate,
    }

    def _parse_value(self, values: bool = True) -> Any:
        # Redshift reserves VALUES only in INSERT. So `WHEN NOT MATCHED THEN INSERT VALUES (...)` would be parsed as a function call.
        if not values and self._curr and self._curr.text.upper() == "VALUES":
            return None
        return super()._parse_value(values=values)


class _Tokenizer(Redshift.Tokenizer):  # type: ignore[misc]
    # sqlglot would return the rest of a SHOW or FETCH as one string, but `cursor` needs its words.
    COMMANDS: ClassVar[set[TokenType]] = set()


class LocalRedshift(Redshift):  # type: ignore[misc]
    """Parses Redshift's SQL, and keeps calls as written."""

    Parser = _Parser
    Tokenizer = _Tokenizer


class _Generator(PostgresGenerator):  # type: ignore[misc]
    MULTI_ARG_DISTINCT = True  # `string_agg(DISTINCT x, ',')`, which sqlglot would turn into a row constructor

    def literal_sql(self, expression: exp.Literal) -> str:
        if expression.is_string:
            return quoted(expression.this)
        return str(super().literal_sql(expression))


class _Backend(Postgres):  # type: ignore[misc]
    """Generates PostgreSQL's SQL. Its string literals mean the same whether `standard_conforming_strings` is on or off."""

    Generator = _Generator


_READ = LocalRedshift()
_WRITE = _Backend()


def words(text: str) -> frozenset[str]:
    """The set of the words in a text. It makes long lists of names readable."""
    return frozenset(text.split())


def quoted(text: str) -> str:
    """`text` as a PostgreSQL string literal."""
    doubled = text.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in text else f"'{doubled}'"


def name_sql(name: str) -> str:
    """A name as an identifier. It is quoted, because PostgreSQL reserves words that Redshift does not."""
    return '"' + name.replace('"', '""') + '"'


def syntax_error(text: str) -> RedshiftError:
    """Redshift's syntax error. `text` is the unexpected word; empty at the end of the input."""
    return RedshiftError("42601", f'syntax error at or near "{text}"' if text else "syntax error at end of input")


_SINGLE_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescape(body: str) -> str:
    """The value of a string literal whose text between the quotes is `body`. Doubled quotes and backslash escapes are decoded."""
    out: list[str] = []
    at, size = 0, len(body)
    while at < size:
        char = body[at]
        at += 1
        if char == "'":
            at += 1  # the second of a pair
        elif char == "\\" and at < size:
            char = body[at]
            at += 1
            if char in "01234567":
                start = at - 1
                while at < size and at - start < 3 and body[at] in "01234567":
                    at += 1
                char = chr(int(body[start:at], 8) & 0xFF)
            else:
                char = _SINGLE_ESCAPES.get(char, char)
        out.append(char)
    return "".join(out)


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`, with decoded string literals.

    Raises:
        RedshiftError: 42601 for an unterminated string, comment or identifier.
    """
    try:
        tokens: list[Token] = _READ.tokenize(text)
    except TokenError as error:
        raise RedshiftError("42601", f"unterminated quoted string or comment: {str(error).splitlines()[0]}") from error
    for at, token in enumerate(tokens):
        raw = text[token.start : token.end + 1]
        if token.token_type == TokenType.BYTE_STRING or (token.token_type == TokenType.STRING and "\\" in raw):
            value = _unescape(raw[raw.index("'") + 1 : -1])
            tokens[at] = Token(TokenType.STRING, value, token.line, token.col, token.start, token.end, token.comments)
    return tokens


def parse_tree(tokens: Sequence[Token], text: str) -> exp.Expression:
    """The tree of one statement. `tokens` are its tokens in `text`.

    Raises:
        RedshiftError: 42601.
    """
    try:
        trees = _READ.parser().parse(list(tokens), text)
    except ParseError as error:
        raise syntax_error((error.errors[0].get("highlight") or "") if error.errors else "") from error
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        # sqlglot's parser raises Python's own errors for some invalid input. The client gets a syntax error.
        raise RedshiftError("42601", "syntax error: the statement could not be parsed") from error
    if len(trees) != 1 or trees[0] is None:
        raise syntax_error(tokens[-1].text if tokens else "")
    return trees[0]


def render(tree: exp.Expression) -> str:
    """The tree as PostgreSQL's SQL. Identifiers and function names are those of the tree; comments are left out."""
    return str(_WRITE.generate(tree, normalize_functions=False, comments=False, copy=False))
