"""Names of the columns of a CSV or Parquet file: which column a path names.

Belongs here: names and places alone, for the reader and for suggestions. Does not belong here: tables and rows (`formats`), or JSON, whose
paths lead through objects by exact names.
"""

# Names match without regard to case and surrounding white space, and white space, underscores and dots are equal: ` WITHDRAWAL AMT ` is
# `withdrawal_amt`. A column of the file that a path names exactly belongs to that path only, so `Id` and `ID` can be two columns. `a#2` is
# the second of several columns that are called `a`, and `#2` the second of those without a name.

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count


def folded(name: str) -> str:
    """A column's name in the form in which names are compared."""
    return re.sub(r"[\s_.]+", "_", name.strip().casefold())


def labels(names: Sequence[str]) -> list[str]:
    """For each column of a file, the name by which a path names it exactly: `a`, or `a#2` if several are called `a`. They differ."""
    counts = Counter(names)
    numbers = {name: count(1) for name in counts}
    found = []
    for name in names:
        numbered = (f"{name}#{number}" for number in numbers[name])
        found.append(next(each for each in numbered if each not in counts) if counts[name] > 1 or not name else name)
    return found


def own_places(paths: Iterable[str], labelled: Sequence[str]) -> dict[str, int]:
    """The place of the column of each path that has one: of the column that it names exactly; else of one that is spelled in another way.
    Several such columns go to the paths that differ in capitals only, the rest in order, if there is a path for each; otherwise none,
    because it is not clear which.

    Args:
        labelled: the `labels` of a file's columns.
    """
    exact = {label: place for place, label in enumerate(labelled)}
    distinct = dict.fromkeys(paths)
    free: dict[str, list[int]] = {}
    for label, place in exact.items():
        if label not in distinct and label.isprintable():  # no path names an unprintable column
            free.setdefault(folded(label), []).append(place)
    own: dict[str, int] = {}
    others: dict[str, list[str]] = {}
    for path in distinct:
        if path in exact:
            own[path] = exact[path]
        else:
            others.setdefault(folded(path), []).append(path)
    for alike, group in others.items():
        places = free.get(alike, [])
        if len(places) <= len(group):
            cased = {path: place for path in group for place in places if labelled[place].strip().casefold() == path.strip().casefold()}
            alone = {path: place for path, place in cased.items() if list(cased.values()).count(place) == 1}
            rest = [path for path in group if path not in alone]
            own.update(alone)
            own.update(zip(rest, [place for place in places if place not in alone.values()], strict=False))
    return own
