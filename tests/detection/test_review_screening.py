"""What comes to the review desk by a rule, once its verdict is there."""

import pytest

from detection import likeness
from detection.models import Detection, Feedback, LabelledImage, ModelVersion, ReviewItem
from detection.services import custody, feedback, review, review_rules, review_screening
from detection.services.erasure import erase_image
from detection.services.review_rules import set_rules
from detection.services.review_screening import screen
from tests.conftest import RESULT
from tests.factories import done_row, image_row, running_row, submitted
from tests.review_desk import decided, opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict")


@pytest.fixture
def no_rules(carol) -> None:
    set_rules(by=carol, on_inconclusive=False, on_disagreement=False, sample_share=0)


def ended(owner, version, verdict: str = "likely_authentic", **fields) -> Detection:
    """A detection that has just got its verdict."""
    probability = {"likely_authentic": 0.1, "likely_manipulated": 0.95}.get(verdict, 0.5)
    fields = {"probability": probability, "awaits_screening": True, **fields}
    return done_row(owner, version, verdict=verdict, **fields)


def asked(detection: Detection, by, **fields) -> None:
    fields = {"via": "page", **fields}
    detection.submissions.create(image=detection.image, by=by, **fields)


def reasons(detection: Detection) -> list[str]:
    item = ReviewItem.objects.filter(detection=detection).first()
    return item.reasons if item else []


def test_the_end_of_a_detection_marks_it(alice, model_version):
    row = running_row(alice, model_version)
    assert row.complete(**RESULT)
    assert Detection.objects.get().awaits_screening
    screen()
    assert not Detection.objects.get().awaits_screening


def test_a_failure_is_nothing_to_look_at(alice, model_version):
    assert running_row(alice, model_version).fail("truncated")
    assert not Detection.objects.get().awaits_screening


def test_what_cannot_be_told_comes_if_a_person_sent_it(alice, carol, model_version):
    set_rules(by=carol, sample_share=0)
    rows = [ended(alice, model_version, "inconclusive") for _ in range(3)]
    asked(rows[0], alice, via="page")
    asked(rows[1], alice, via="api")
    assert screen() == 3
    assert [reasons(row) for row in rows] == [["inconclusive"], [], []]


def test_the_random_sample_can_be_checked_again(alice, carol, model_version, no_rules):
    rows = [ended(alice, model_version) for _ in range(60)]
    set_rules(by=carol, sample_share=0.3)
    screen()
    drawn = {row.pk for row in rows if reasons(row) == ["sample"]}
    again = {r.pk for r in rows if review_rules.is_drawn(r.pk, 0.3, for_what="sample")}
    assert drawn == again
    assert 5 <= len(drawn) <= 35


def test_copies_with_opposite_verdicts_come(alice, bob, carol, model_version):
    set_rules(by=carol, sample_share=0)
    alike = likeness.columns("9a618ae02fba6f85", "9a618ae02fba6f80")
    near = likeness.columns("9a618ae02fba6f84", "9a618ae02fba6f81")
    done_row(bob, model_version, image=image_row(bob, **alike))
    same = ended(alice, model_version, image=image_row(alice, **near))
    other = ended(alice, model_version, "likely_manipulated", image=image_row(alice, **alike))
    unclear = ended(alice, model_version, "inconclusive", image=image_row(alice, **alike))
    Detection.objects.filter(pk=same.pk).update(awaits_screening=False)
    screen()
    assert reasons(other) == ["disagreement"]
    assert reasons(unclear) == []


def test_another_verdict_of_the_same_file_or_of_a_hidden_copy_is_no_reason(
    alice, bob, carol, model_version
):
    set_rules(by=carol, sample_share=0)
    alike = likeness.columns("9a618ae02fba6f85", "9a618ae02fba6f80")
    done_row(bob, model_version, image=image_row(bob, is_confidential=True, **alike))
    older = ModelVersion.objects.create(
        name="old", version="0", architecture="none", artifact_sha256="0" * 64
    )
    image = image_row(alice, **alike)
    done_row(alice, older, image=image)
    row = ended(alice, model_version, "likely_manipulated", image=image)
    screen()
    assert reasons(row) == []


def test_what_a_pipeline_flagged_comes_when_it_is_judged(alice, model_version, no_rules):
    row = ended(alice, model_version)
    asked(row, alice, via="api", wants_review=True)
    screen()
    assert reasons(row) == ["flagged"]


def test_what_was_judged_long_ago_comes_when_it_is_sent_again(alice, model_version, no_rules):
    first = submitted(alice)
    done = {"status": "done", "verdict": "inconclusive", "completed_at": first.created_at}
    Detection.objects.update(**done)
    submitted(alice)
    screen()
    assert reasons(first.detection) == []
    submitted(alice, wants_review=True)
    screen()
    assert reasons(first.detection) == ["flagged"]


def test_what_was_flagged_once_comes_once(alice, carol, model_version, no_rules):
    row = ended(alice, model_version)
    asked(row, alice, via="api", wants_review=True)
    screen()
    decided(ReviewItem.objects.get(), carol)
    Detection.objects.update(awaits_screening=True)
    screen()
    assert ReviewItem.objects.count() == 1
    asked(row, alice, via="api", wants_review=True)
    Detection.objects.update(awaits_screening=True)
    screen()
    assert ReviewItem.objects.count() == 1  # a person has looked at it


def test_whoever_flagged_is_known(alice, bob, carol, model_version, no_rules):
    row = ended(alice, model_version)
    for person in (alice, bob):
        asked(row, person, via="api", wants_review=True)
    screen()
    item = review.flag(by=carol, detection=row)
    assert {*item.asked_by.all()} == {alice, bob, carol}
    decided(item, carol)
    assert review.flag(by=bob, detection=row).outcome == "authentic"


def test_rules_stop_at_their_limit_and_people_do_not(alice, carol, model_version):
    set_rules(by=carol, sample_share=1, open_limit=2)
    rows = [ended(alice, model_version) for _ in range(4)]
    flagged = ended(alice, model_version)
    asked(flagged, alice, via="api", wants_review=True)
    screen()
    assert sum(reasons(row) == ["sample"] for row in rows) == 2
    assert reasons(flagged) == ["flagged"]
    assert not Detection.objects.filter(awaits_screening=True).exists()
    assert opened(alice, model_version, "disputed")


def test_what_is_judged_again_comes_by_no_rule(alice, carol, model_version):
    set_rules(by=carol, sample_share=1)
    row = ended(alice, model_version, judged_before=done_row(alice, model_version))
    screen()
    assert reasons(row) == []


def test_a_crash_loses_none(alice, carol, model_version, monkeypatch):
    set_rules(by=carol, sample_share=1)
    rows = [ended(alice, model_version) for _ in range(5)]
    calls, real = [], review_screening.open_item

    def dying(*args, **named):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError
        return real(*args, **named)

    monkeypatch.setattr(review_screening, "open_item", dying)
    with pytest.raises(RuntimeError):
        screen()
    assert Detection.objects.filter(awaits_screening=True).count() == 3
    screen()
    assert [reasons(row) for row in rows] == [["sample"]] * 5


def test_hidden_and_erased_images_leave_the_desk(alice, carol, model_version):
    hidden, erased = opened(alice, model_version), opened(alice, model_version)
    item = opened(alice, model_version)
    decision = decided(item, carol, note="planted marker")
    custody.set_confidential(by=alice, image=hidden.detection.image, is_confidential=True)
    erase_image(by=alice, image=erased.detection.image)
    erase_image(by=alice, image=item.detection.image)
    rows = ReviewItem.objects.in_bulk()
    found = [rows[one.pk].status for one in (hidden, erased, item)]
    assert found == ["withdrawn", "withdrawn", "closed"]
    decision.refresh_from_db()
    assert decision.note == ""


def test_erased_before_it_was_looked_at(alice, carol, model_version):
    set_rules(by=carol, sample_share=1)
    row = ended(alice, model_version)
    erase_image(by=alice, image=row.image)
    assert screen() == 1
    assert not Detection.objects.filter(awaits_screening=True).exists()
    assert not ReviewItem.objects.exists()


def test_a_thousand_false_claims_change_nothing(alice, bob, model_version, monkeypatch):
    monkeypatch.setattr(feedback, "CLAIMED_BY_ONE", feedback.Limit(1000, 60))
    rows = [done_row(alice, model_version) for _ in range(10)]
    verdicts = list(Detection.objects.order_by("pk").values_list("verdict", "probability"))
    state = model_version.state
    for number in range(1000):
        feedback.give(by=bob, detection=rows[number % 10], label="fake", category="false_negative")
    screen()
    assert Feedback.objects.count() == 1000
    assert Feedback.objects.standing().count() == 10
    assert ReviewItem.objects.count() == 10
    now = list(Detection.objects.order_by("pk").values_list("verdict", "probability"))
    assert now == verdicts
    assert not LabelledImage.objects.exists()
    assert [*ModelVersion.objects.values_list("state", flat=True)] == [state]
