"""What the licences of training images say about weights trained on them."""

from collections import Counter
from collections.abc import Sequence

from ml.datasets.manifest import Sample

WARNING = (
    "Several of these allow research or non-commercial use only, or state no licence at all. "
    "Whether the weights may be used for anything else is for whoever uses them to settle."
)

# Words of licences that leave a use open or forbid it; "NC" is Creative Commons' non-commercial.
RESTRICTING = ("research", "-nc-", "-nc ", "none stated", "not stated", "see source")


def licence_notes(samples: Sequence[Sample]) -> list[str]:
    """One line per source and licence with its count, and a warning where one restricts."""
    counts = Counter((sample.source, sample.licence) for sample in samples)
    lines = [f"{source}: {licence}, {n} images" for (source, licence), n in sorted(counts.items())]
    is_restricted = any(word in f"{line} ".lower() for line in lines for word in RESTRICTING)
    return [*lines, WARNING] if is_restricted else lines


def named_in(notes: Sequence[str]) -> set[str]:
    """The sources of such lines, each with its licence."""
    return {line.rpartition(", ")[0] for line in notes if line != WARNING}
