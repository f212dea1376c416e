"""The tests: a folder for each floor of the package, with a module for each idea, named after what it tests.

`sql` tests the shipped checks and reports, `end_to_end` whole processes. The root's `conftest` has the fixtures that floors share: `stores`
(a lake and the warehouse, with rows that a test gives), `items` and `store` (a table in them), `platform` (sources, the steps, and the
command). No module of tests is imported: what two of them need is in a third module beside them.
"""
