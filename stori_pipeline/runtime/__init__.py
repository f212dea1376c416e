"""Running and watching Dagster: storage, liveness, retries, logging, runs in this process, and the sensor that sends alerts.

Belongs here: code about Dagster's runs and storage. Only this package and `defs` import Dagster. Does not belong here: Dagster definitions
of tables and reports (`defs`).
"""
