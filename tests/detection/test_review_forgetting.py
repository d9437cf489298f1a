"""What stays at the review desk of an image or a person that is erased."""

import pytest

from accounts.erasure import erase_person
from accounts.models import AuditDetail
from accounts.trail import life_of
from detection.models import Decision, GoldenImage, PassedOn, ReviewItem
from detection.services import review_claims, review_golden
from detection.services.erasure import erase_image
from tests.factories import done_row
from tests.review_desk import decided, opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict")
MARK = "planted marker"


@pytest.fixture
def written(alice, carol, dora, erin, model_version) -> ReviewItem:
    """A closed item; every place about its image that holds words of carol's."""
    item = opened(alice, model_version)
    review_golden.add(by=carol, detection=item.detection, outcome="authentic", note=MARK)
    review_claims.claim(item=item, by=carol)
    review_claims.escalate(item=item, by=carol, note=MARK)
    decided(item, carol, note=MARK)
    decided(item, erin)
    return item


def words() -> list[str]:
    notes = [row.note for model in (Decision, PassedOn, GoldenImage) for row in model.objects.all()]
    return [*notes, *AuditDetail.objects.values_list("body", flat=True)]


def test_words_go_with_the_image_and_the_outcome_stays(written, alice):
    assert sum(MARK in text for text in words()) == 6
    erase_image(by=alice, image=written.detection.image)
    assert not any(MARK in text for text in words())
    written.refresh_from_db()
    assert (written.status, written.outcome) == ("closed", "authentic")
    assert GoldenImage.objects.get().retired_at is not None


def test_words_go_with_the_person_and_the_decision_stays(written, carol, dora):
    erase_person(by=dora, person=carol, reason="x")
    assert not any(MARK in text for text in words())
    assert Decision.objects.filter(by=carol).get().outcome == "authentic"


def test_what_an_erased_person_held_is_free(alice, carol, dora, erin, model_version):
    item = review_claims.claim(item=opened(alice, model_version), by=carol)
    erase_person(by=dora, person=carol, reason="x")
    assert review_claims.next_item(erin) == item


def test_reviews_belong_to_the_life_of_their_image(written):
    actions = {one.action for one in life_of("image", str(written.detection.image_id))}
    assert {"review.opened", "review.escalated", "review.decided", "golden_image.added"} <= actions
    assert life_of("reviewitem", str(written.pk)).count() == len(
        life_of("image", str(written.detection.image_id))
    )


def test_a_detection_with_reviews_keeps_its_image_from_no_erasure(alice, dora, model_version):
    row = done_row(alice, model_version)
    review_golden.add(by=dora, detection=row, outcome="manipulated")
    assert erase_image(by=alice, image=row.image)
