"""The local stack: real servers on loopback that stand for the sources, for AWS and for the warehouse.

Belongs here: starting and stopping them, and sample data. Does not belong here: the pipeline. Only `cli` and the tests import it.
"""
