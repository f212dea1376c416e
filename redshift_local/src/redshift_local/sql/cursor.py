"""Reading a statement word by word, for the statements of which sqlglot makes no tree.

Belongs here: the words of a statement and moving over them. Does not belong here: any statement's grammar.
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
    """One word of a statement. `kind` is word, quoted, string, number, symbol or end; `text` is in lower case unless it is a string."""

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
        for part in text[token.start : token.end + 1].split():  # sqlglot makes one token of PRIMARY KEY
            start = text.index(part, start)
            plain = part[0].isalpha() or part[0] in "_#"
            words.append(Word("word" if plain else "symbol", part.lower(), start, start + len(part), at))
            start += len(part)
    return words


class Cursor:
    """A position in the words of one statement. A method that expects a word raises 42601 if another one comes."""

    def __init__(self, tokens: Sequence[Token], text: str) -> None:
        self.tokens = tokens
        self.source = text
        self.words = _words(tokens, text)
        self.at = 0

    @property
    def statement(self) -> str:
        """The whole statement as written, without the semicolon."""
        return self.source[self.words[0].start : self.words[-1].end] if self.words else ""

    @property
    def folded(self) -> str:
        """The statement as written, quoted names folded to lower case as Redshift does."""
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
    def here(self) -> Word:
        return self.words[self.at] if self.at < len(self.words) else _END

    def peek(self, *texts: str) -> bool:
        """Whether the next words are these, unquoted."""
        ahead = self.words[self.at : self.at + len(texts)]
        return len(ahead) == len(texts) and all(w.kind in ("word", "symbol") and w.text == t for w, t in zip(ahead, texts, strict=True))

    def accept(self, *texts: str) -> bool:
        """Move over these words if they are next; whether they were."""
        found = self.peek(*texts)
        if found:
            self.at += len(texts)
        return found

    def one_of(self, *texts: str) -> str:
        """Move over the next word if it is one of these; that word, or an empty string."""
        return next((text for text in texts if self.accept(text)), "")

    def expect(self, *texts: str) -> None:
        for text in texts:
            if not self.accept(text):
                raise self.error()

    def error(self) -> RedshiftError:
        return syntax_error(self.here.text)

    def expect_end(self) -> None:
        if self.here.kind != "end":
            raise self.error()

    def take(self, *kinds: str) -> str:
        """The text of the next word, which must be of one of these kinds."""
        word = self.here
        if word.kind not in kinds:
            raise self.error()
        self.at += 1
        return word.text

    def name(self) -> str:
        name = self.take("word", "quoted")
        if name.startswith("#"):
            raise unsupported("temporary tables by the name #t", "Write CREATE TEMP TABLE.")
        if len(name.encode()) > 63:
            raise unsupported(f'the name "{name}" of more than 63 bytes', "Redshift takes 127 bytes, PostgreSQL 63.")
        return name

    def table(self) -> tuple[str | None, str]:
        """`[schema.]name`, folded."""
        first = self.name()
        if not self.accept("."):
            return None, first
        second = self.name()
        if self.peek("."):
            raise unsupported("names of tables in other databases")
        return first, second

    def listed(self, item: Callable[[], T]) -> list[T]:
        """`item [, item ...]`."""
        items = [item()]
        while self.accept(","):
            items.append(item())
        return items

    def names(self) -> tuple[str, ...]:
        """`(name, ...)`."""
        self.expect("(")
        found = tuple(self.listed(self.name))
        self.expect(")")
        return found

    def rest(self) -> list[Token]:
        """Move to the end; the tokens up to it."""
        tokens = list(self.tokens[self.here.token :]) if self.here.kind != "end" else []
        self.at = len(self.words)
        return tokens

    def until(self, stops: frozenset[str]) -> list[Any]:
        """Move to the next of `stops` outside parentheses, or to a closing one; the tokens up to it."""
        start, depth = self.at, 0
        while self.here.kind != "end":
            word = self.here
            if word.kind in ("word", "symbol"):
                if depth == 0 and (word.text in stops or word.text == ")") and self.at > start:
                    break
                depth += (word.text == "(") - (word.text == ")")
            self.at += 1
        if self.at == start:
            raise self.error()
        return list(self.tokens[self.words[start].token : self.words[self.at - 1].token + 1])


def table_sql(table: tuple[str | None, str]) -> str:
    schema, name = table
    return f"{name_sql(schema)}.{name_sql(name)}" if schema else name_sql(name)
