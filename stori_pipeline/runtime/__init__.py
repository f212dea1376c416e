"""What keeps runs going: storage, liveness, retries, logging, runs in this process, and the sensor that alerts people.

Belongs here: how Dagster is run and watched. Does not belong here: Dagster definitions of tables and reports (`defs`), which use this.
Beside `defs`, it is the only package that knows Dagster.
"""
