"""The proof: is a mirror equal to its source, and if not, in which rows.

Belongs here: `proof` (of one table), `compare` (differences), `comparables` (what a mirror is compared with), `in_flight` (rows on their
way). Does not belong here: changing anything: everything here reads.
"""
