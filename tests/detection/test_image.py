"""Who may see an image, and that the same bytes of one owner are one row."""

import uuid

import pytest
from django.db import IntegrityError, connection, transaction

from detection.models import Case, Detection, Image
from tests.factories import done_row, image_row


def _seen_by(user) -> set[Image]:
    return set(Image.objects.visible_to(user))


def test_the_owner_sees_it(alice):
    image = image_row(alice)
    assert _seen_by(alice) == {image}


def test_a_stranger_does_not(alice, bob):
    image_row(alice)
    assert _seen_by(bob) == set()


@pytest.mark.parametrize("reviewer", ["carol", "dora"])
def test_reviewers_see_all_but_the_confidential(alice, reviewer, request):
    user = request.getfixturevalue(reviewer)
    plain = image_row(alice)
    image_row(alice, is_confidential=True)
    assert _seen_by(user) == {plain}


def test_the_owner_sees_the_confidential(alice):
    image = image_row(alice, is_confidential=True)
    assert _seen_by(alice) == {image}


def test_a_reviewer_sees_ones_own_confidential_image(carol):
    image = image_row(carol, is_confidential=True)
    assert _seen_by(carol) == {image}


def test_people_added_to_a_case_see_its_images(alice, bob):
    image = image_row(alice, is_confidential=True)
    image_row(alice)
    case = Case.objects.create(owner=alice, title="story")
    case.images.add(image)
    case.people.add(bob)
    assert _seen_by(bob) == {image}


def test_the_owner_of_a_case_sees_what_others_put_into_it(alice, bob):
    image = image_row(bob, is_confidential=True)
    Case.objects.create(owner=alice, title="story").images.add(image)
    assert _seen_by(alice) == {image}


def test_several_cases_do_not_repeat_an_image(alice, bob):
    image = image_row(alice)
    for title in ("one", "two"):
        case = Case.objects.create(owner=alice, title=title)
        case.images.add(image)
        case.people.add(bob)
    assert list(Image.objects.visible_to(bob)) == [image]
    assert list(Case.objects.visible_to(bob).values_list("title", flat=True).order_by("title")) == [
        "one",
        "two",
    ]


def test_a_case_is_hidden_from_others(alice, carol):
    Case.objects.create(owner=alice, title="story")
    assert not Case.objects.visible_to(carol).exists()


def test_the_same_bytes_of_one_owner_are_one_image(alice):
    image = image_row(alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        image_row(alice, sha256=image.sha256)


def test_the_same_bytes_of_two_owners_are_two_images(alice, bob):
    image = image_row(alice)
    assert image_row(bob, sha256=image.sha256).pk != image.pk


def test_of_rows_that_are_named_only_the_visible_are_shown(alice, bob, model_version):
    mine, others = done_row(alice, model_version), done_row(bob, model_version)
    ids = [others.pk, mine.pk, uuid.uuid4()]
    assert Detection.objects.shown_to(alice, ids) == {mine.pk: mine}
    assert Image.objects.seen_by(alice, [mine.image_id, others.image_id]) == {mine.image_id}
    plan = Image.objects.visible_to(alice).filter(pk__in=[mine.image_id]).explain()
    if connection.vendor == "sqlite":
        assert (
            "SEARCH detection_image USING INDEX sqlite_autoindex_detection_image_1 (id=?)" in plan
        )
