"""The platform in whole processes: killed, starved of a server, raced against each other, with nothing to do, with nothing left.

Belongs here: a test for each trouble that the pipeline says it survives, named after it. What a test breaks, it breaks from outside, in
the way in which it breaks in life.
"""
