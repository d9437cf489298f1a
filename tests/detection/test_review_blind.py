"""Whoever may still decide about an image hears nowhere what reviewers said of it before."""

import pytest
from django.db import transaction
from django.urls import reverse

from detection.models import ReviewItem
from detection.services import review, review_golden
from detection.services.reviewed import reviews_shown_to
from tests.factories import done_row
from tests.review_desk import decided, opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict")

SAID = "A reviewer says"


@pytest.fixture
def disputed_again(alice, dora, model_version) -> ReviewItem:
    """Decided by dora, then disputed: a new item, while what she said stands."""
    before = opened(alice, model_version)
    decided(before, dora, "manipulated", reason="maker_confirmed")
    with transaction.atomic():
        item = review.open_item(before.detection, "disputed")
    assert item is not None
    return item


def test_no_page_tells_whoever_is_to_decide(client_of, carol, alice, disputed_again):
    detection = disputed_again.detection
    paths = [reverse("detection", args=[detection.pk]), reverse("history")]
    paths.append(reverse("detection_card", args=[detection.pk]))
    for path in paths:
        html = client_of(carol).get(path).content.decode()
        assert SAID not in html
        assert "reviewed tone-manipulated" not in html
    assert SAID in client_of(alice).get(paths[0]).content.decode()
    decided(disputed_again, carol, "authentic")
    assert SAID in client_of(carol).get(paths[0]).content.decode()


def test_no_answer_of_the_api_tells_whoever_is_to_decide(
    client_of, carol, alice, dora, disputed_again
):
    first = ReviewItem.objects.get(status="closed")
    asked = client_of(carol)
    beside = asked.get(f"/api/v1/detections/{first.detection_id}").json()["review"]
    assert (beside["status"], beside["outcome"], beside["decided_at"]) == ("open", None, None)
    assert asked.get("/api/v1/detections").json()["results"][0]["review"] == beside
    one = asked.get(f"/api/v1/reviews/{first.pk}").json()
    assert (one["outcome"], one["decisions"]) == (None, [])
    (listed,) = asked.get("/api/v1/reviews?status=closed").json()["results"]
    assert (listed["outcome"], listed["decisions"]) == (None, [])
    owner = client_of(alice).get(f"/api/v1/detections/{first.detection_id}").json()
    assert owner["review"]["outcome"] == "manipulated"
    decided(disputed_again, carol, "authentic")
    assert len(asked.get(f"/api/v1/reviews/{first.pk}").json()["decisions"]) == 1


def test_a_case_tells_its_owner_and_not_whoever_is_to_decide(carol, alice, disputed_again):
    image = disputed_again.detection.image_id
    assert reviews_shown_to(carol, [image]) == {}
    assert reviews_shown_to(alice, [image])[image].outcome == "manipulated"


def test_a_golden_image_that_was_reviewed_once_does_not_tell_its_truth(
    client_of, alice, carol, dora, erin, model_version
):
    item = opened(alice, model_version)
    decided(item, erin, "manipulated")
    golden = review_golden.add(by=dora, detection=item.detection, outcome="manipulated")
    ReviewItem.objects.create(detection=item.detection, golden=golden, reasons=["flagged"])
    path = reverse("detection", args=[item.detection_id])
    assert SAID not in client_of(carol).get(path).content.decode()
    answer = client_of(carol).get(f"/api/v1/detections/{item.detection_id}").json()
    assert not (answer["review"] or {}).get("outcome")


def test_it_costs_a_journalist_nothing(alice, model_version, django_assert_num_queries):
    row = done_row(alice, model_version)
    with django_assert_num_queries(1):
        assert reviews_shown_to(alice, [row.image_id]) == {}
