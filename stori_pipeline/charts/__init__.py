"""Charts of reports.

Belongs here: `rows` (reads a chart's rows from the warehouse), `drawing` and `scales` (draw them), `pictures` (store the images). Does not
belong here: what a chart is (`model.chart`), and a project's own charts. Amounts in different currencies are drawn in separate panels with
separate scales: no number of a chart is a sum across currencies.
"""
