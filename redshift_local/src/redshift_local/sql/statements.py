"""Parses a client's text into statements that the proxy can execute.

Belongs here: splitting a text, choosing the parser of each statement, and caching results. Does not belong here: the rules for a statement
(`queries` for sqlglot's trees, `commands` word by word).
A statement is forwarded as written unless its tree was changed. The README lists the known differences from a cluster.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from sqlglot.tokens import Token, TokenType

from redshift_local.errors import RedshiftError
from redshift_local.sql.catalog import CATALOG_SCHEMAS
from redshift_local.sql.commands import COMMANDS
from redshift_local.sql.cursor import Cursor
from redshift_local.sql.dialect import parse_tree, render, tokenize
from redshift_local.sql.plan import Forward, Statement
from redshift_local.sql.queries import rewrite
from redshift_local.sql.refusals import refuse_by_first_words, unsupported
from redshift_local.sql.with_query import QUERY_WORDS

_LONGEST_CACHED = 64 * 1024
"""Longer texts are not cached, because they contain data and are not repeated."""


def parse(text: str) -> list[Statement]:
    """The statements of a simple query or of a Parse message. They may have parameters such as `$1`.

    Raises:
        RedshiftError: 42601 for a syntax error, 0A000 for something that is not supported, or another error of Redshift.
    """
    return list(_cached(text) if len(text) <= _LONGEST_CACHED else _parse(text))


@lru_cache(maxsize=512)
def _cached(text: str) -> tuple[Statement, ...]:
    return _parse(text)


def _parse(text: str) -> tuple[Statement, ...]:
    try:
        return tuple(_statement(tokens, text) for tokens in _split(tokenize(text)))
    except RecursionError as error:
        raise RedshiftError("54001", "stack depth limit exceeded", hint="The statement is nested too deeply to be parsed.") from error


def _split(tokens: list[Token]) -> list[list[Token]]:
    """The tokens of each statement, without empty statements."""
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def _statement(tokens: list[Token], text: str) -> Statement:
    if _is_plain_insert(tokens):
        original = text[tokens[0].start : tokens[-1].end + 1]
        return Forward(original, original)
    cursor = Cursor(tokens, text)
    first = cursor.current.text
    refuse_by_first_words(cursor.first_words)
    if first in COMMANDS:
        cursor.position = 1
        return COMMANDS[first](cursor)
    if first not in QUERY_WORDS:
        raise cursor.error()
    return _query(cursor)


_LITERALS = frozenset(
    (TokenType.NUMBER, TokenType.STRING, TokenType.NULL, TokenType.TRUE, TokenType.FALSE, TokenType.DEFAULT, TokenType.COMMA)
) | {TokenType.L_PAREN, TokenType.R_PAREN, TokenType.DASH, TokenType.PARAMETER}


def _is_plain_insert(tokens: list[Token]) -> bool:
    """Whether this is INSERT INTO t [(a, b)] VALUES with nothing but literals.

    Such a statement needs no rewriting. It may be megabytes long, and parsing it into a tree would take seconds.
    """
    if len(tokens) < 6 or tokens[0].token_type != TokenType.INSERT or tokens[1].token_type != TokenType.INTO:
        return False
    for at, token in enumerate(tokens[2:], 2):
        if token.text.upper() == "VALUES" and token.token_type != TokenType.IDENTIFIER:
            return at < len(tokens) - 1 and all(literal.token_type in _LITERALS for literal in tokens[at + 1 :])
        is_name = token.token_type in (TokenType.VAR, TokenType.IDENTIFIER) and token.text == token.text.lower()
        if not is_name and token.token_type not in (TokenType.DOT, TokenType.COMMA, TokenType.L_PAREN, TokenType.R_PAREN):
            return False
    return False


_REDSHIFT_WORDS = frozenset(("top", "minus", "convert"))
"""Words that PostgreSQL does not have. sqlglot parses them as LIMIT, EXCEPT and CAST, so the statement must be generated from its tree."""


def _query(cursor: Cursor) -> Statement:
    original = cursor.statement
    words = cursor.words
    if any(a.text == "remove" and b.text == "duplicates" and a.kind == "word" for a, b in pairwise(words)):
        raise unsupported("MERGE ... REMOVE DUPLICATES", "Write the WHEN clauses.")
    try:
        tree = parse_tree(cursor.tokens, cursor.source)
    except RedshiftError:
        # psql and drivers describe tables with PostgreSQL's own SQL, some of which sqlglot cannot parse.
        if words[0].text == "select" and any(word.text in CATALOG_SCHEMAS and word.kind == "word" for word in words):
            return Forward(original, original)
        raise
    rewritten = rewrite(tree)
    if rewritten.changed or any(word.kind == "word" and word.text in _REDSHIFT_WORDS for word in words):
        return Forward(render(rewritten.tree), original)
    return Forward(original, original)
