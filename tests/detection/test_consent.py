"""That an image may be learnt from is its owner's word, and lasts as long as they want."""

import pytest

from accounts.models import AuditEvent
from detection.errors import Refused
from detection.services.consent import set_training_consent
from detection.services.custody import set_confidential
from detection.services.erasure import erase_image
from tests.factories import done_row, image_row, review_row, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(alice):
    return image_row(alice)


def _allow(by, image, is_allowed=True):
    return set_training_consent(by=by, image=image, is_allowed=is_allowed)


def _actions():
    rows = AuditEvent.objects.filter(action__startswith="image.training").order_by("id")
    return list(rows.values_list("action", flat=True))


def test_nothing_is_allowed_unless_the_owner_says_so(image):
    assert image.training_consent_at is None


def test_it_is_given_and_withdrawn_and_both_are_on_record(alice, image, labels):
    assert _allow(alice, image)
    assert not _allow(alice, image)
    image.refresh_from_db()
    assert image.training_consent_at is not None
    assert _allow(alice, image, is_allowed=False)
    image.refresh_from_db()
    assert image.training_consent_at is None
    assert labels == [("unlearn", image.pk)]
    assert _actions() == ["image.training_allowed", "image.training_withdrawn"]


def test_what_was_reviewed_before_is_learnt_at_once(alice, carol, model_version, labels):
    row = done_row(alice, model_version)
    item = review_row(row, by=carol)
    _allow(alice, row.image)
    assert labels == [("learn", item.pk)]


@pytest.mark.parametrize("who", ["bob", "carol", "dora"])
def test_nobody_gives_it_for_an_image_of_somebody_else(request, who, image):
    with pytest.raises(Refused) as refusal:
        _allow(request.getfixturevalue(who), image)
    assert refusal.value.code == "not_yours"


def test_a_confidential_image_is_never_learnt_from(alice):
    image = image_row(alice, is_confidential=True)
    with pytest.raises(Refused) as refusal:
        _allow(alice, image)
    assert refusal.value.code == "confidential_not_learnt"
    assert _actions() == []


def test_hiding_an_image_ends_it(alice, image):
    _allow(alice, image)
    set_confidential(by=alice, image=image, is_confidential=True)
    image.refresh_from_db()
    assert image.training_consent_at is None
    assert _actions()[-1] == "image.training_withdrawn"


def test_sending_it_again_as_confidential_ends_it(alice, model_version):
    image = submitted(alice).image
    _allow(alice, image)
    submitted(alice, is_confidential=True)
    image.refresh_from_db()
    assert (image.is_confidential, image.training_consent_at) == (True, None)
    assert _actions()[-1] == "image.training_withdrawn"


def test_erasing_an_image_ends_it(alice, image):
    _allow(alice, image)
    erase_image(by=alice, image=image, reason="x")
    image.refresh_from_db()
    assert image.training_consent_at is None
    assert _actions()[-1] == "image.training_withdrawn"


def test_nothing_is_allowed_of_an_erased_image(alice, image):
    erase_image(by=alice, image=image, reason="x")
    with pytest.raises(Refused):
        _allow(alice, image)
