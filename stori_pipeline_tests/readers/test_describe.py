"""What every reader says of its source: see `Reader.describe`."""

from __future__ import annotations

from stori_pipeline_tests.readers.shop import Rig, items


def test_a_source_describes_itself_in_a_line(rig: Rig) -> None:
    rig.insert(items(1))
    said = rig.reader.describe("shop")
    assert said
    assert "\n" not in said
    assert "s3cret" not in said
