"""A client's text becomes statements that the proxy can carry out.

Belongs here: splitting a text, choosing who reads each statement, and remembering results. Does not belong here: the rules of any
statement (`queries` on sqlglot's tree, `commands` word by word).
A text is sent on unchanged unless its tree had to change. The README lists the two known differences from a cluster that this leaves.
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

_REMEMBERED = 64 * 1024
"""Longer texts hold data and do not come again: remembering them would only cost memory."""


def parse(text: str) -> list[Statement]:
    """The statements of a simple query or of one Parse message, which may hold parameters such as `$1`.

    Raises:
        RedshiftError: 42601 for a text that is no SQL; 0A000 for one that is refused; others in Redshift's words.
    """
    return list(_remembered(text) if len(text) <= _REMEMBERED else _parse(text))


@lru_cache(maxsize=512)
def _remembered(text: str) -> tuple[Statement, ...]:
    return _parse(text)


def _parse(text: str) -> tuple[Statement, ...]:
    try:
        return tuple(_statement(tokens, text) for tokens in _split(tokenize(text)))
    except RecursionError as error:
        raise RedshiftError("54001", "stack depth limit exceeded", hint="The statement is nested too deeply to be read.") from error


def _split(tokens: list[Token]) -> list[list[Token]]:
    """The tokens of each statement; empty ones left out."""
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
    first = cursor.here.text
    refuse_by_first_words(cursor.first_words)
    if first in COMMANDS:
        cursor.at = 1
        return COMMANDS[first](cursor)
    if first not in QUERY_WORDS:
        raise cursor.error()
    return _query(cursor)


_LITERALS = frozenset(
    (TokenType.NUMBER, TokenType.STRING, TokenType.NULL, TokenType.TRUE, TokenType.FALSE, TokenType.DEFAULT, TokenType.COMMA)
) | {TokenType.L_PAREN, TokenType.R_PAREN, TokenType.DASH, TokenType.PARAMETER}


def _is_plain_insert(tokens: list[Token]) -> bool:
    """Whether this is INSERT INTO t [(a, b)] VALUES and then only literals.

    Such a statement means the same in both, and may be megabytes long: building a tree of it would take seconds.
    """
    if len(tokens) < 6 or tokens[0].token_type != TokenType.INSERT or tokens[1].token_type != TokenType.INTO:
        return False
    for at, token in enumerate(tokens[2:], 2):
        if token.text.upper() == "VALUES" and token.token_type != TokenType.IDENTIFIER:
            return at < len(tokens) - 1 and all(literal.token_type in _LITERALS for literal in tokens[at + 1 :])
        named = token.token_type in (TokenType.VAR, TokenType.IDENTIFIER) and token.text == token.text.lower()
        if not named and token.token_type not in (TokenType.DOT, TokenType.COMMA, TokenType.L_PAREN, TokenType.R_PAREN):
            return False
    return False


_OWN_WORDS = frozenset(("top", "minus", "convert"))
"""Words that a tree does not keep. PostgreSQL gets the tree's LIMIT, EXCEPT and CAST instead."""


def _query(cursor: Cursor) -> Statement:
    original = cursor.statement
    words = cursor.words
    if any(a.text == "remove" and b.text == "duplicates" and a.kind == "word" for a, b in pairwise(words)):
        raise unsupported("MERGE ... REMOVE DUPLICATES", "Write the WHEN clauses.")
    try:
        tree = parse_tree(cursor.tokens, cursor.source)
    except RedshiftError:
        # psql and drivers describe tables in PostgreSQL's own dialect, and sqlglot cannot read all of it.
        if words[0].text == "select" and any(word.text in CATALOG_SCHEMAS and word.kind == "word" for word in words):
            return Forward(original, original)
        raise
    rewritten = rewrite(tree)
    if rewritten.changed or any(word.kind == "word" and word.text in _OWN_WORDS for word in words):
        return Forward(render(rewritten.tree), original)
    return Forward(original, original)
