"""What tests of the review desk start from."""

import re
from typing import Any

from django.db import transaction
from django.urls import reverse

from accounts.models import User
from detection.models import Decision, Detection, ModelVersion, ReviewItem
from detection.services import review, review_claims, review_decisions
from tests.factories import done_row


def moderator(name: str) -> User:
    return User.objects.create_user(f"{name}@example.org", "x" * 20, role=User.Role.MODERATOR)


def opened(
    owner: User, version: ModelVersion, reason: str = "disputed", **fields: Any
) -> ReviewItem:
    """An open item about a new image."""
    with transaction.atomic():
        item = review.open_item(done_row(owner, version, **fields), reason)
    assert item is not None
    return item


def decided(item: ReviewItem, by: User, outcome: str = "authentic", **fields: Any) -> Decision:
    """Claim and decide."""
    review_claims.claim(item=item, by=by)
    fields = {"reason": "other", **fields}
    return review_decisions.decide(item=item, by=by, outcome=outcome, **fields)


def disputed(detection: Detection, by: User) -> None:
    detection.feedback.create(by=by, label="real", category="false_positive")


def url(item: ReviewItem) -> str:
    """The page of an item."""
    return reverse("review_item", args=[item.pk])


def text_of(answer: Any) -> str:
    """The words of a page, by single spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))
