"""The check `source_equals_mirror` of each mirror.

Belongs here: what the check compares, shows and keeps. Does not belong here: comparing (`verify`), the metadata that a command shows, too
(`runtime.proofs`), the job that proves every row (`jobs`), or when a check runs (`schedules`).
"""

from collections.abc import Iterator

from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetChecksDefinition, AssetCheckSpec, Config, MetadataValue
from pydantic import Field

from stori_pipeline.defs.check_steps import SHOWN
from stori_pipeline.defs.keys import mirror_key
from stori_pipeline.defs.metadata import preview
from stori_pipeline.defs.step_functions import check_step
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.names import PROOF
from stori_pipeline.runtime.proofs import proof_description, proof_metadata
from stori_pipeline.runtime.retries import only_transient
from stori_pipeline.verify.proof import prove
from stori_pipeline.warehouse.proofs import keep_proof


class ProofConfig(Config):
    whole: bool = Field(False, description="Compare every row, and not only the share of a large table that was compared longest ago.")


def proof_check(table: Table) -> AssetChecksDefinition:
    def source_equals_mirror(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        config, given = ProofConfig(**context.op_execution_context.op_config), context.resources
        with only_transient():
            opened = given.warehouse.open()
            proof = prove(table, given.sources.reader(table.source), given.lake.open(), opened, share=not config.whole)
            keep_proof(opened, proof.record(context.run.run_id))
        values = proof_metadata(proof)
        if proof.differing:
            examples = ((*each.key, each.text) for each in proof.differing[:SHOWN])
            values["differing"] = MetadataValue.md(preview((*table.key, "how"), examples))
        yield AssetCheckResult(passed=proof.equal, metadata=values, description=proof_description(proof))

    spec = AssetCheckSpec(
        PROOF,
        asset=mirror_key(table),
        description="Source and mirror have the same rows with the same values. Each engine computes checksums, which are compared: of a "
        "large table a share each time, and all rows every night.",
    )
    resources = frozenset({"sources", "lake", "warehouse"})
    return check_step([spec], source_equals_mirror, resources=resources, pool=table.full_name, config=ProofConfig)
