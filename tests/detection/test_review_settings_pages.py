"""The pages on which administrators set the review desk up: rules, golden images."""

import pytest
from django.urls import reverse

from detection.models import (
    GoldenImage,
    ReviewItem,
    ReviewRules,
)
from tests.factories import done_row, image_row
from tests.review_desk import moderator, text_of, url

pytestmark = pytest.mark.usefixtures("passed_on", "strict")


# --- rules


RULES = {
    "sample_share": "2.5",
    "second_opinion_share": "20",
    "golden_share": "5",
    "open_limit": "500",
}


def test_an_administrator_changes_the_rules_in_per_cent(client_of, dora):
    admin = client_of(dora)
    assert (
        admin.post(reverse("review_rules"), {**RULES, "on_disagreement": "on"}).status_code == 302
    )
    row = ReviewRules.objects.get()
    assert (row.sample_share, row.second_opinion_share, row.golden_share) == (0.025, 0.2, 0.05)
    assert (row.on_inconclusive, row.on_disagreement, row.open_limit) == (False, True, 500)
    assert 'value="2.5"' in admin.get(reverse("review_rules")).content.decode()


@pytest.mark.parametrize(
    "wrong", [{"sample_share": "101"}, {"golden_share": "51"}, {"open_limit": ""}]
)
def test_rules_that_cannot_be_are_refused(client_of, dora, wrong):
    answer = client_of(dora).post(reverse("review_rules"), RULES | wrong)
    assert answer.status_code == 400
    assert ReviewRules.objects.get().open_limit == 1000


# --- golden images


def test_an_administrator_says_that_a_truth_is_known_and_retires_it(
    client_of, dora, alice, model_version
):
    admin, row = client_of(dora), done_row(alice, model_version)
    path = reverse("detection_golden", args=[row.pk])
    assert path in admin.get(reverse("detection", args=[row.pk])).content.decode()
    assert admin.post(path, {"outcome": "authentic", "note": ""}).status_code == 400
    assert admin.post(path, {"outcome": "cannot_tell", "note": "x"}).status_code == 400
    answer = admin.post(path, {"outcome": "authentic", "note": "I took it."}, follow=True)
    assert "I took it." in text_of(answer)
    golden = GoldenImage.objects.get()
    assert (golden.image, golden.outcome, golden.added_by) == (row.image, "authentic", dora)
    assert admin.post(path, {"outcome": "authentic", "note": "Again."}).status_code == 409
    admin.post(reverse("golden_retire", args=[golden.pk]))
    assert "Retired" in text_of(admin.get(reverse("review_golden")))


def test_moderators_learn_of_no_golden_image(desk, dora, alice, model_version):
    row = done_row(alice, model_version)
    golden = GoldenImage.objects.create(image=row.image, outcome="authentic", added_by=dora)
    page = desk.get(reverse("detection", args=[row.pk])).content.decode()
    assert reverse("detection_golden", args=[row.pk]) not in page
    assert "olden" not in page
    assert desk.get(reverse("detection_golden", args=[row.pk])).status_code == 404
    assert desk.post(reverse("golden_retire", args=[golden.pk])).status_code == 404


def test_a_confidential_golden_image_is_listed_without_its_picture(client_of, dora, alice):
    image = image_row(alice, is_confidential=True)
    GoldenImage.objects.create(image=image, outcome="authentic", added_by=dora)
    page = client_of(dora).get(reverse("review_golden"))
    assert "confidential or erased" in text_of(page)
    assert reverse("image_preview", args=[image.pk, 320]) not in page.content.decode()


def test_a_golden_item_looks_like_any_other(desk, carol, dora, alice, model_version):
    row = done_row(alice, model_version)
    golden = GoldenImage.objects.create(image=row.image, outcome="authentic", added_by=dora)
    secret = ReviewItem.objects.create(detection=row, golden=golden, reasons=["flagged"])
    page = desk.get(url(secret))
    assert page.context["shown"].state == "mine"
    assert "olden" not in page.content.decode()
    detection = text_of(desk.get(reverse("detection", args=[row.pk])))
    assert "In review: Somebody asked for a person. You hold it." in detection


def test_others_are_moderators_too(model_version, alice, item, client_of):
    """Two moderators, one item: the second is told who has it."""
    first, second = moderator("first"), moderator("second")
    assert client_of(first).get(url(item)).context["shown"].state == "mine"
    assert client_of(second).get(url(item)).context["shown"].state == "held"
    assert client_of(second).post(reverse("review_next"))["Location"] == reverse("review")
