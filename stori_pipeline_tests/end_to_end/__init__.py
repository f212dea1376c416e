"""The platform in whole processes: killed, without a server, at the same time, without changes, without rows.

Belongs here: a test for each failure that the pipeline must survive, named after it. A test causes a failure from outside, as it happens
in production.
"""
