"""The sample data and the applications that write it: everything that stands in for the business on one machine.

Generators (`bank`, `exchange`) write the two files in the original formats. Each file's format is read in one module
(`txns_csv`, `trades_json`) and brought into its source in another (`bank_import`, `exchange_import`). `seed` does all of it.
`workload` then writes to the sources as their applications would (`bank_writes`, `exchange_writes`). Nothing here is part of
the pipeline, and nothing here reads the warehouse or the lake.
"""
