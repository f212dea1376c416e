"""The sources that the conformance suite tests: each a rig, listed once.

Belongs here: the list. Does not belong here: a rig, which is one table of one kind of source and ways to write to it as an application
would (`shop.Rig`); each has a module of its own.
"""

from __future__ import annotations

from stori_pipeline.model.changes import Changes
from stori_pipeline_tests.readers.rig_drops import DropsRig
from stori_pipeline_tests.readers.rig_http import PagesRig, RatesRig, ReportsRig
from stori_pipeline_tests.readers.rig_json_folder import JsonFolderRig
from stori_pipeline_tests.readers.rig_mongo import MongoRig
from stori_pipeline_tests.readers.rig_postgres import PostgresRig
from stori_pipeline_tests.readers.rig_sqs import SqsRig
from stori_pipeline_tests.readers.shop import Rig

RIGS: tuple[type[Rig], ...] = (PostgresRig, MongoRig, SqsRig, DropsRig, RatesRig, ReportsRig, PagesRig)
"""Those of the kinds that come with the platform."""

OUTSIDE_RIGS: tuple[type[Rig], ...] = (JsonFolderRig,)
"""Those of kinds that are declared outside it, in these tests."""

CASES: dict[str, tuple[type[Rig], Changes]] = {
    f"{rig.kind} by {name}": (rig, changes) for rig in (*RIGS, *OUTSIDE_RIGS) for name, changes in rig.ways.items()
}
"""Each rig with each of its ways of finding changes."""
