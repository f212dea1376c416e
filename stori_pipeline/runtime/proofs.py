"""Keeping the result of a proof that a command made, where that of the check is kept.

Belongs here: reporting it to Dagster's instance, so that the asset's page, `stori status` and the alerts know it. Does not belong here: the
proof (`verify`), or reading when a mirror was last proved equal (`lag`).
"""

from __future__ import annotations

from collections.abc import Iterable

from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetKey, MetadataValue

from stori_pipeline.model.table import Table
from stori_pipeline.runtime.instance import open_instance
from stori_pipeline.runtime.names import PROOF
from stori_pipeline.verify.compare import Comparison


def keep_proofs(proofs: Iterable[tuple[Table, Comparison]]) -> None:
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
                    metadata={
                        "source_rows": MetadataValue.int(proof.source_rows),
                        "warehouse_rows": MetadataValue.int(proof.warehouse_rows),
                        "proved_by": MetadataValue.text("stori verify"),
                    },
                )
            )
