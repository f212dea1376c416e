"""What can go wrong, tried on the real stack: processes killed, servers away, two at once, things lost, rows that do not fit.

Belongs here: a test for each trouble that the pipeline says it survives, named after it. Whatever a test breaks it breaks from
outside, in the way in which it breaks in life; `pipeline` is what a test has to itself.
"""
