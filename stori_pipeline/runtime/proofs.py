"""What Dagster shows of a proof, and reporting one that a command made.

Belongs here: the metadata of the check `source_equals_mirror`, and its evaluation by a command, so that the asset's page and the alerts
know it. Does not belong here: the proof (`verify`), or the record of all proofs (`warehouse.proofs`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetKey, MetadataValue

from stori_pipeline.model.table import Table
from stori_pipeline.runtime.instance import open_instance
from stori_pipeline.runtime.names import PROOF
from stori_pipeline.verify.proof import Proof


def proof_metadata(proof: Proof) -> dict[str, Any]:
    """The metadata of a proof, without the rows that differ."""
    compared = proof.comparison
    values: dict[str, Any] = {
        "source_rows": MetadataValue.int(proof.source_rows),
        "warehouse_rows": MetadataValue.int(proof.warehouse_rows),
        "differing_rows": MetadataValue.int(proof.differing_rows),
        "rows_in_flight": MetadataValue.int(len(proof.in_flight)),
        "how": MetadataValue.text("all rows" if proof.how == "whole" else f"{compared.source.rows} rows, the part compared longest ago"),
        "source_checksum": MetadataValue.text(str(compared.source.checksum)),
        "warehouse_checksum": MetadataValue.text(str(compared.warehouse.checksum)),
    }
    if proof.verified_through is not None:
        values["verified_through"] = MetadataValue.timestamp(proof.verified_through)
    if proof.batch is not None:
        values |= {"batch": MetadataValue.int(proof.batch.batch), "position": MetadataValue.text(proof.position)}
    return values


def proof_description(proof: Proof) -> str | None:
    """What differs, in a sentence; None if nothing does."""
    if proof.equal:
        return None
    least = "at least " if proof.more else ""
    advice = f"`stori verify {proof.table}` lists them, `stori verify --repair {proof.table}` puts them right"
    return f"{proof.table}: {least}{proof.differing_rows} rows of source and mirror differ; {advice}"


def report_proofs(proofs: Iterable[tuple[Table, Proof]]) -> None:
    """Report each proof as an evaluation of the mirror's check `source_equals_mirror`.

    Raises:
        InstanceError: Dagster's instance cannot be opened.
    """
    with open_instance() as instance:
        for table, proof in proofs:
            instance.report_runless_asset_event(
                AssetCheckEvaluation(
                    asset_key=AssetKey(table.mirror_path),
                    check_name=PROOF,
                    passed=proof.equal,
                    severity=AssetCheckSeverity.ERROR,
                    metadata=proof_metadata(proof) | {"proved_by": MetadataValue.text("stori verify")},
                    description=proof_description(proof),
                )
            )
