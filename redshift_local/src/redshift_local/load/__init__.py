"""COPY of Parquet files from S3. `copy.run` is the entry.

Belongs here: files, their schemas and their values. Does not belong here: the text of the COPY statement (`sql.copy_options`).
"""
