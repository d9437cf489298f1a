from pathlib import Path

import pytest

from ml.datasets.manifest import Sample
from ml.licences import WARNING, licence_notes


def sample(licence: str) -> Sample:
    return Sample(Path("x"), 0, "drawn", "", "g", "train", "0", licence)


def test_images_are_counted_by_source_and_licence():
    notes = licence_notes([sample("CC0"), sample("ours"), sample("CC0")])
    assert notes == ["drawn: CC0, 2 images", "drawn: ours, 1 images"]


@pytest.mark.parametrize(
    "licence", ["LFW, research", "CC BY-NC-SA 4.0", "CC BY-NC 4.0", "none stated", "see source"]
)
def test_a_licence_that_restricts_brings_the_warning(licence: str):
    assert licence_notes([sample("CC0"), sample(licence)])[-1] == WARNING
