"""Parsing a statement word by word, for statements that sqlglot cannot parse.

Belongs here: the words of a statement, and moving over them. Does not belong here: the grammar of a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlglot.tokens import Token, TokenType

from redshift_local.errors import RedshiftError
from redshift_local.sql.dialect import name_sql, syntax_error
from redshift_local.sql.refusals import unsupported

T = TypeVar("T")


@dataclass(frozen=True)
class Word:
    """One word of a statement. `kind` is word, quoted, string, number, symbol or end; `text` is in lower case, except for a string."""

    kind: str
    text: str
    start: int
    end: int
    token: int


_END = Word("end", "", 0, 0, -1)
_KINDS = {TokenType.IDENTIFIER: "quoted", TokenType.STRING: "string", TokenType.NUMBER: "number"}


def _words(tokens: Sequence[Token], text: str) -> list[Word]:
    words = []
    for at, token in enumerate(tokens):
        kind = _KINDS.get(token.token_type)
        if kind is not None:
            words.append(Word(kind, token.text if kind == "string" else token.text.lower(), token.start, token.end + 1, at))
            continue
        start = token.start
        for part in text[token.start : token.end + 1].split():  # to sqlglot, PRIMARY KEY is one token
            start = text.index(part, start)
            plain = part[0].isalpha() or part[0] in "_#"
            words.append(Word("word" if plain else "symbol", part.lower(), start, start + len(part), at))
            start += len(part)
    return words


class Cursor:
    """A position in the words of one statement. A method that expects a word raises 42601 if the next word is another one."""

    def __init__(self, tokens: Sequence[Token], text: str) -> None:
        self.tokens = tokens
        self.source = text
        self.words = _words(tokens, text)
        self.position = 0

    @property
    def statement(self) -> str:
        """The statement as written, without the semicolon."""
        return self.source[self.words[0].start : self.words[-1].end] if self.words else ""

    @property
    def folded(self) -> str:
        """The statement as written, but with quoted names in lower case, as Redshift folds them."""
        out, done = [], self.words[0].start
        for word in self.words:
            if word.kind == "quoted" and self.source[word.start : word.end].lower() != self.source[word.start : word.end]:
                out += [self.source[done : word.start], name_sql(word.text)]
                done = word.end
        return "".join([*out, self.source[done : self.words[-1].end]])

    @property
    def first_words(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.words[:4])

    @property
    def current(self) -> Word:
        return self.words[self.position] if self.position < len(self.words) else _END

    def peek(self, *texts: str) -> bool:
        """Whether the next words are these, unquoted."""
        ahead = self.words[self.position : self.position + len(texts)]
        return len(ahead) == len(texts) and all(w.kind in ("word", "symbol") and w.text == t for w, t in zip(ahead, texts, strict=True))

    def accept(self, *texts: str) -> bool:
        """Move over these words if they are next; returns whether they were."""
        are_next = self.peek(*texts)
        if are_next:
            self.position += len(texts)
        return are_next

    def one_of(self, *texts: str) -> str:
        """Move over the next word if it is one of these; returns the word, or an empty string."""
        return next((text for text in texts if self.accept(text)), "")

    def expect(self, *texts: str) -> None:
        for text in texts:
            if not self.accept(text):
                raise self.error()

    def error(self) -> RedshiftError:
        return syntax_error(self.current.text)

    def expect_end(self) -> None:
        if self.current.kind != "end":
            raise self.error()

    def take(self, *kinds: str) -> str:
        """Move over the next word, which must be of one of these kinds; returns its text."""
        word = self.current
        if word.kind not in kinds:
            raise self.error()
        self.position += 1
        return word.text

    def name(self) -> str:
        name = self.take("word", "quoted")
        if name.startswith("#"):
            raise unsupported("temporary tables named #t", "Write CREATE TEMP TABLE.")
        if len(name.encode()) > 63:
            raise unsupported(f'the name "{name}" of more than 63 bytes', "Redshift takes 127 bytes, PostgreSQL 63.")
        return name

    def table(self) -> tuple[str | None, str]:
        """`[schema.]name`, in lower case."""
        first = self.name()
        if not self.accept("."):
            return None, first
        second = self.name()
        if self.peek("."):
            raise unsupported("tables of other databases")
        return first, second

    def comma_separated(self, item: Callable[[], T]) -> list[T]:
        """`item [, item ...]`."""
        items = [item()]
        while self.accept(","):
            items.append(item())
        return items

    def names(self) -> tuple[str, ...]:
        """`(name, ...)`."""
        self.expect("(")
        names = tuple(self.comma_separated(self.name))
        self.expect(")")
        return names

    def rest(self) -> list[Token]:
        """Move to the end; returns the tokens up to it."""
        tokens = list(self.tokens[self.current.token :]) if self.current.kind != "end" else []
        self.position = len(self.words)
        return tokens

    def until(self, stops: frozenset[str]) -> list[Any]:
        """Move to the next of the words `stops` outside parentheses, or to a closing parenthesis; returns the tokens up to it."""
        start, depth = self.position, 0
        while self.current.kind != "end":
            word = self.current
            if word.kind in ("word", "symbol"):
                if depth == 0 and (word.text in stops or word.text == ")") and self.position > start:
                    break
                depth += (word.text == "(") - (word.text == ")")
            self.position += 1
        if self.position == start:
            raise self.error()
        return list(self.tokens[self.words[start].token : self.words[self.position - 1].token + 1])


def table_sql(table: tuple[str | None, str]) -> str:
    schema, name = table
    return f"{name_sql(schema)}.{name_sql(name)}" if schema else name_sql(name)
