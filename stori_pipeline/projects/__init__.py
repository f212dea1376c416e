"""The files of a project: what `stori init` and `stori add source` write.

Belongs here: their templates, and writing them without overwriting anything. Does not belong here: arguments and printing (`cli`).
"""
