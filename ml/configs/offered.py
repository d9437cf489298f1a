"""The configs that a desk offers to train, described without loading what trains them."""

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Offer:
    """One config; a test holds its facts against the config itself.

    Attributes:
        config: a module of `ml.configs`.
        network: the architecture; a run goes on from weights of the same one alone.
        size: side of what the network sees, in pixels.
        epochs, max_epochs: as many as it takes unless said, and as many as may be said.
        needs_both: it learns from pairs, so a source with one class alone teaches it nothing.
        image_bytes: disk that one prepared image takes while it trains.
    """

    config: str
    network: str
    size: int
    epochs: int
    max_epochs: int
    needs_both: bool
    image_bytes: int


# The first is what a desk should take.
OFFERED = {
    offer.config: offer
    for offer in (
        Offer("desk_lite", "lite", 224, 3, 20, needs_both=True, image_bytes=5 * MEGABYTE),
        Offer("paper_cnn", "paper_cnn", 128, 20, 60, needs_both=False, image_bytes=150_000),
        Offer("desk_small", "paper_cnn", 32, 6, 60, needs_both=False, image_bytes=10_000),
    )
}
