"""Tells whoever asked or disputed what became of a detection: page, e-mail, webhook."""

from detection.models import Detection, ReviewItem


def review_completed(item: ReviewItem) -> None:
    """An item was closed with an outcome; in the transaction that closed it."""
    raise NotImplementedError


def review_withdrawn(item: ReviewItem) -> None:
    """A closed item was opened again, or its decision undone; in that transaction."""
    raise NotImplementedError


def judged_again(detection: Detection) -> None:
    """A newer model has judged what `detection.judged_before` judged; in that transaction.

    Owners are told where the verdict differs.
    """
    raise NotImplementedError
