"""The project that a command stands in: its folder, its package, and what it adds to the command, the API and the local stack.

Belongs here: finding the project, and importing what it defines. Does not belong here: what a project is (`model.project`), or any table.
"""

from stori_pipeline.discovery.errors import NoProject, ProjectError
from stori_pipeline.discovery.folder import current, project_root
from stori_pipeline.discovery.package import LocalSources, ProjectPackage, named_object

__all__ = ["LocalSources", "NoProject", "ProjectError", "ProjectPackage", "current", "named_object", "project_root"]
