"""Reviewed claims as labelled images: with the owner's consent, and only while it lasts."""

from accounts.models import User
from detection.models import Image, ReviewItem


def learn(item: ReviewItem) -> None:
    """A closed item becomes a label where its owner agreed; in the transaction that closed it.

    Never from one whose outcome is `cannot_tell`, nor from a golden one.
    """
    raise NotImplementedError


def unlearn(image: Image, *, by: User | None = None, because: str = "consent") -> None:
    """Consent was withdrawn, the decision undone or the image erased; in that transaction."""
    raise NotImplementedError
