"""Checks MERGE against Redshift's grammar, which is much narrower than PostgreSQL's.

Belongs here: the check. A valid MERGE is forwarded unchanged. Does not belong here: two source rows that match one target row, which the
backend refuses (SQLSTATE 21000).
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from redshift_local.sql.refusals import refused, syntax, unsupported


def check_merge(merge: Any) -> None:
    """Raise RedshiftError for a MERGE that Redshift refuses."""
    if merge.args.get("with_"):
        raise syntax("merge", "Redshift's MERGE takes no WITH.")
    if merge.this.alias:
        raise syntax(merge.this.alias, "Redshift takes no alias for the target of MERGE: write its name.")
    for condition in merge.args["on"].flatten() if isinstance(merge.args["on"], exp.And) else [merge.args["on"]]:
        bare = condition.unnest()
        if not (isinstance(bare, exp.EQ) and isinstance(bare.this, exp.Column) and isinstance(bare.expression, exp.Column)):
            raise unsupported("MERGE ON something other than equalities of columns", "Redshift joins source and target by equality.")
    whens = merge.args["whens"].expressions
    for when in whens:
        if when.args.get("condition"):
            raise syntax("and", "Redshift's WHEN takes no condition: filter the source instead.")
        if when.args.get("source"):
            raise syntax("by", "Redshift has no WHEN NOT MATCHED BY SOURCE.")
        if isinstance(when.args["then"], exp.Var) and when.args["then"].name.upper() != "DELETE":
            raise syntax(when.args["then"].name.lower(), "Redshift's MERGE updates, deletes or inserts.")
    if [bool(when.args.get("matched")) for when in whens] != [True, False]:
        raise refused("42601", "MERGE takes one WHEN MATCHED and then one WHEN NOT MATCHED clause")
