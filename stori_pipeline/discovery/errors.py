"""What can be wrong with a project before its definitions are read.

Belongs here: errors that cost no heavy import. Does not belong here: `DefinitionError` (`model`).
"""

from __future__ import annotations


class ProjectError(RuntimeError):
    """The project cannot be found or imported. The message says where it was looked for, and what to do."""


class NoProject(ProjectError):
    """The working directory is in no project. The message says how to make one."""
