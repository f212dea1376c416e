"""Proofs: whether a mirror equals its source and, if not, in which rows they differ.

Belongs here: `proof` (of one table), `compare` (differences), `explain` (why a row differs), `shares` (which part is compared),
`comparables` (what a mirror is compared with), `in_flight` (rows that are not loaded yet). Does not belong here: changing anything; all of
it only reads.
"""
