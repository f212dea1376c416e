"""The page at `/`: plain HTML from the server, without scripts and without resources of other hosts.

Belongs here: the HTML. Does not belong here: reading what it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from html import escape

from stori_pipeline.api.answers import Freshness
from stori_pipeline.api.extension import Section

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #777; --late: #b3541e; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 80rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; } p { margin: 0 0 .8rem; color: var(--quiet); }
.side { display: grid; gap: 0 2rem; grid-template-columns: repeat(auto-fit, minmax(min(34rem, 100%), 1fr)); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; }
.charts { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); }
.charts img { width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 4px; }
@media (max-width: 34rem) { .side, .charts { grid-template-columns: 1fr; } }
"""


def render(*, sections: Sequence[Section], freshness: Freshness, rows: Mapping[str, int], charts: Sequence[str]) -> str:
    """The page as HTML.

    Args:
        sections: those of the project.
        rows: number of rows by table.
        charts: names of the charts in the bucket.
    """
    pictures = "".join(f'<img src="charts/{escape(name)}.svg" alt="{escape(name.replace("_", " "))}" loading="lazy">' for name in charts)
    own = "".join(f"<section><h2>{escape(each.title)}</h2>{each.html}</section>\n" for each in sections)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Warehouse</title><style>{_STYLE}</style></head><body>
<h1>Warehouse</h1>
<p>As of {freshness.as_of:%Y-%m-%d %H:%M:%S} UTC. As JSON: <a href="freshness">freshness</a>, <a href="docs">all addresses</a>.</p>
<div class="side">
{own}</div>
<h2>Tables</h2>
<p>Rows, and time since the last load. A table is loaded only when its source has changed.</p>
{_tables(freshness, rows)}
<h2>Charts</h2>
<div class="charts">{pictures or "<p>No chart has been drawn yet.</p>"}</div>
</body></html>"""


def _tables(freshness: Freshness, rows: Mapping[str, int]) -> str:
    if not freshness.tables:
        return "<p>Nothing has been loaded yet.</p>"
    return grid(
        ["Table", ("Rows", "n"), ("Last load", "n"), ("Rows of that load", "n")],
        ((t.table, f"{rows.get(t.table, 0):,}", _lag(t.lag_seconds), f"{t.rows_loaded:,}") for t in freshness.tables),
    )


def grid(columns: Sequence[str | tuple[str, str]], rows: Iterable[Sequence[str]]) -> str:
    """A table as HTML, with every text escaped.

    Args:
        columns: titles; a pair is a title and a class, such as `("Amount", "n")` for numbers, which are aligned right.
    """
    heads = [each if isinstance(each, tuple) else (each, "") for each in columns]
    classes = [f' class="{name}"' if name else "" for _, name in heads]
    head = "".join(f"<th{css}>{escape(title)}</th>" for (title, _), css in zip(heads, classes, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{css}>{escape(cell)}</td>" for cell, css in zip(row, classes, strict=True)) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _lag(seconds: int | None) -> str:
    return "unknown" if seconds is None else _ago(seconds)


def _ago(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    return str(timedelta(seconds=seconds)).partition(".")[0] if seconds >= 3600 else f"{seconds // 60} min"
