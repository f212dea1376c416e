"""Names of the columns of a CSV or Parquet file: which column a path names.

Belongs here: names and places alone, for the reader and for suggestions. Does not belong here: tables and rows (`formats`), or JSON, whose
paths lead through objects by exact names.
"""

# A path names the column that is called exactly so; else the one that differs in capitals only; else the one that is alike: capitals,
# white space, underscores and dots are equal, and characters without width do not count. ` WITHDRAWAL AMT ` is `withdrawal_amt`. Where
# several columns, or several paths, remain for one another, nobody knows which is meant, and the file is refused: by order, two columns
# could be swapped without a word.
#
# `a#2` is the second of several columns that are called `a`, and `#2` the second of those whose name is blank. A column whose own name ends
# so has a backslash before the `#` in its path: `a\#2`.

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from stori_pipeline.readers.s3_drop.broken import BrokenFile

_NO_WIDTH = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_OWN_NUMBER = re.compile(r"(\\*)#(?=\d+$)")
_LAST_BACKSLASHES = re.compile(r"\\+$")
_NUMBER = re.compile(r"(?<!\\)((?:\\\\)*)#(\d+)$")
"""The number of a repeated column in its label."""


def shown(name: str) -> str:
    """A name without what cannot be seen: each white space is one blank, and characters without width are left out."""
    return re.sub(r"\s+", " ", _NO_WIDTH.sub("", name)).strip() if not name.isprintable() else name


def folded(name: str) -> str:
    """A column's name in the form in which names are compared."""
    return re.sub(r"[\s_.]+", "_", _NO_WIDTH.sub("", name).strip().casefold())


def labels(names: Sequence[str]) -> list[str]:
    """For each column of a file, the name by which a path names it exactly: `a`, or `a#2` if several are called `a`. They differ."""
    names = [name if shown(name).strip() else "" for name in names]
    counts = Counter(names)
    numbers = {name: count(1) for name in counts}
    return [_numbered(name, next(numbers[name])) if counts[name] > 1 or not name else _with_own_number(name) for name in names]


def _numbered(name: str, number: int) -> str:
    return f"{_LAST_BACKSLASHES.sub(lambda found: found[0] * 2, name)}#{number}"


def _with_own_number(name: str) -> str:
    return _OWN_NUMBER.sub(lambda found: found[1] * 2 + r"\#", name)


def name_of(label: str) -> str:
    """The name of the column of that label: the inverse of `labels`."""
    if number := _NUMBER.search(label):
        return label[: number.start()] + number[1][::2]
    return re.sub(r"((?:\\\\)*)\\#(?=\d+$)", lambda found: found[1][::2] + "#", label)


def own_places(paths: Iterable[str], labelled: Sequence[str]) -> dict[str, int]:
    """The place of the column of each path that has one.

    Args:
        labelled: the `labels` of a file's columns.

    Raises:
        BrokenFile: it is not clear which of several columns a path names, or which of several paths names a column.
    """
    exact = {label: place for place, label in enumerate(labelled)}
    distinct = dict.fromkeys(paths)
    own = {path: exact[path] for path in distinct if path in exact}
    for form in (shown, _cased, _alike):
        left = [path for path in distinct if path not in own]
        free = [label for label in exact if exact[label] not in own.values()]
        by_form = _grouped(left, form), _grouped(free, form)
        for each, group in by_form[0].items():
            labels_alike = by_form[1].get(each, [])
            if len(group) == len(labels_alike) == 1 and _number(group[0]) == _number(labels_alike[0]):
                own[group[0]] = exact[labels_alike[0]]
    _refuse_unclear(distinct, exact, own)
    return own


def _number(name: str) -> str:
    """The number of a repeated column; "" of one that is alone."""
    found = _NUMBER.search(name)
    return found[2] if found else ""


def _cased(name: str) -> str:
    return shown(_NUMBER.sub(r"\1", name)).strip().casefold()


def _alike(name: str) -> str:
    return folded(_NUMBER.sub(r"\1", name))


def _grouped(names: Iterable[str], form: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(form(name), []).append(name)
    return groups


def _refuse_unclear(paths: Iterable[str], exact: dict[str, int], own: dict[str, int]) -> None:
    """Raises BrokenFile for a column that has no path although one is like it."""
    for path in paths:
        if path not in exact and _NUMBER.search(path) and (escaped := _with_own_number(path)) in exact.keys() - own.keys():
            raise BrokenFile(f"its column is itself called {path!r}, which as a path is one of several columns; write path={escaped!r}")
    like = _grouped(paths, _alike)
    for name, group in _grouped(exact, shown).items():
        if len(group) > 1 and _alike(name) in like:
            raise BrokenFile(f"its columns {' and '.join(map(repr, group))} look the same, so no path can name one of them")
    places = set(own.values())
    for label, place in exact.items():
        group = like.get(_alike(label), [])
        if place in places or not group:
            continue
        if _NUMBER.search(label) and any(_NUMBER.search(path) and path in exact and _alike(path) == _alike(label) for path in group):
            continue  # a path names one of these repeated columns, and so the definition knows of the others
        what = f"its column {label!r} is like {' and '.join(map(repr, group))}, and it is not clear which column is meant"
        raise BrokenFile(f"{what}; give each column of the file a path that names it exactly, as in {shown(label)!r}")
