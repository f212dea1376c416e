"""Charts of reports: which rows are drawn, how they look, and where the pictures are kept.

Belongs here: `rows` (the statement that asks for a chart's rows), `drawing` and `scales` (how it looks), `pictures` (where it is kept).
Does not belong here: what a chart is (`model.chart`), or which charts there are (a project's `CHARTS`).

Amounts in different currencies stand in panels of their own, each with its own scale: no number of a chart is a sum across currencies.
"""
