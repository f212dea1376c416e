"""The silent edits of totesys: one column of one row changes, and `last_updated` does not.

Belongs here: which columns change, how often, and to which values. Does not belong here: selecting and writing rows. Units, prices,
counterparties, currencies and payment dates never change.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import date, timedelta

from stori_pipeline.local.samples.bank import pick
from stori_pipeline.local.samples.totesys_values import ADDRESSES, FOLDERS, STAFF, code

# The relative frequency of each column. An edit may change a row of any age.
_WEIGHTS = {
    ("design", "file_location"): 19,
    ("sales_order", "agreed_delivery_location_id"): 9,
    ("sales_order", "agreed_delivery_date"): 9,
    ("sales_order", "staff_id"): 5,
    ("sales_order", "design_id"): 3,
    ("purchase_order", "item_code"): 7,
    ("purchase_order", "agreed_delivery_date"): 7,
    ("purchase_order", "staff_id"): 6,
    ("purchase_order", "agreed_delivery_location_id"): 3,
}
_EDITS = tuple(cell for cell, weight in _WEIGHTS.items() for _ in range(weight))


def some_column(rng: random.Random) -> tuple[str, str]:
    """The table and the column of one edit."""
    return pick(rng, _EDITS)


def new_value(
    rng: random.Random, column: str, old: object, day: date, designs: Sequence[int], earlier: Collection[object] = ()
) -> int | str | None:
    """The new value of a column on that day: never `old`, and none of the values `earlier` if any other exists. None if no other value
    exists."""
    values: Sequence[int | str]
    if column == "staff_id":
        values = range(1, len(STAFF) + 1)
    elif column == "agreed_delivery_location_id":
        values = range(1, len(ADDRESSES) + 1)
    elif column == "design_id":
        values = designs
    elif column == "file_location":
        values = FOLDERS
    elif column == "agreed_delivery_date":
        values = [(day + timedelta(days=days)).isoformat() for days in range(1, 8)]
    else:
        values = [code(rng, 7).upper()]
    fresh = [value for value in values if value != old and value not in earlier] or [value for value in values if value != old]
    return pick(rng, fresh) if fresh else None
