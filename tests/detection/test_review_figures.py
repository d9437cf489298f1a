"""What is said of reviewers and of models after a time."""

from datetime import timedelta
from math import isnan

import pytest
from django.utils import timezone

from detection.models import Decision, ModelVersion, ReviewItem
from detection.services import review, review_claims, review_decisions, review_golden
from detection.services.review_figures import figures
from tests.factories import done_row
from tests.review_desk import decided, opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict")


def now_figures():
    now = timezone.now()
    return figures(now - timedelta(days=1), now + timedelta(days=1))


def both(alice, model_version, first, second, outcomes: tuple[str, str]) -> None:
    """Two opinions on one item."""
    item = opened(alice, model_version)
    ReviewItem.objects.filter(pk=item.pk).update(opinions_wanted=2)
    for person, outcome in zip((first, second), outcomes, strict=True):
        decided(item, person, outcome)


def test_an_empty_desk_has_figures_too(db):
    found = now_figures()
    assert (found.everybody.decided, found.everybody.median_s, found.people) == (0, None, [])
    assert isnan(found.everybody.agreement.value)
    assert found.everybody.golden.right.n == 0


def test_decisions_and_the_time_they_took(alice, carol, erin, model_version):
    for seconds in (30, 60, 300):
        decision = decided(opened(alice, model_version), carol)
        began = decision.created_at - timedelta(seconds=seconds)
        Decision.objects.filter(pk=decision.pk).update(began_at=began)
    decided(opened(alice, model_version), erin)
    undone = decided(opened(alice, model_version), carol)
    review_decisions.undo(decision=undone, by=carol)
    found = now_figures()
    assert found.everybody.decided == 4
    of = {person.email: one for person, one in found.people}
    assert of["carol@example.org"].decided == 3
    assert of["carol@example.org"].median_s == pytest.approx(60)


def test_renewing_a_lease_does_not_begin_anew(alice, carol, model_version):
    item = review_claims.claim(item=opened(alice, model_version), by=carol)
    began = timezone.now() - timedelta(minutes=8)
    ReviewItem.objects.update(claimed_at=began)
    assert decided(item, carol).began_at == began


def test_agreement_is_that_of_first_and_second_opinions(alice, carol, erin, model_version):
    both(alice, model_version, carol, erin, ("authentic", "authentic"))
    both(alice, model_version, carol, erin, ("manipulated", "manipulated"))
    both(alice, model_version, erin, carol, ("manipulated", "authentic"))
    decided(opened(alice, model_version), carol)
    found = now_figures()
    # 2 of 3 agree; by chance 1/3 · 2/3 + 2/3 · 1/3 = 4/9: (2/3 - 4/9) / (5/9) = 0.4
    one = {person.email: one.agreement for person, one in found.people}["carol@example.org"]
    assert one.n == found.everybody.agreement.n == 3
    assert one.value == pytest.approx(0.4)


def test_golden_images_measure_reviewers_and_say_nothing_of_agreement(
    alice, carol, dora, model_version
):
    for outcome in ("authentic", "manipulated", "cannot_tell"):
        row = done_row(alice, model_version)
        golden = review_golden.add(by=dora, detection=row, outcome="authentic")
        item = ReviewItem.objects.create(detection=row, golden=golden, reasons=["sample"])
        decided(item, carol, outcome)
    found = now_figures()
    ((_, one),) = found.people
    assert (one.golden.right.value, one.golden.right.n) == (pytest.approx(1 / 3), 3)
    assert (one.golden.wrong, one.golden.unsure) == (1, 1)
    assert 0 < one.golden.right.low < 1 / 3 < one.golden.right.high < 1
    assert one.agreement.n == 0


def test_models_are_measured_by_golden_images_and_by_reviews(alice, carol, dora, model_version):
    older = ModelVersion.objects.create(
        name="old", version="0", architecture="none", artifact_sha256="0" * 64
    )
    right = done_row(alice, model_version)
    done_row(alice, older, image=right.image, verdict="likely_manipulated", probability=0.95)
    review_golden.add(by=dora, detection=right, outcome="authentic")
    wrong = {"verdict": "likely_manipulated", "probability": 0.95}
    decided(opened(alice, model_version, **wrong), carol, "authentic")
    decided(opened(alice, model_version, "sample"), carol, "authentic")
    decided(opened(alice, model_version, "sample"), carol, "cannot_tell")
    again = opened(alice, model_version, **wrong)
    decided(again, carol, "authentic")
    review.reopen(item=again, by=carol)
    found = {one.version.name: one for one in now_figures().models}
    assert (found["fake"].golden.right.n, found["fake"].golden.right.value) == (1, 1)
    assert (found["old"].golden.right.n, found["old"].golden.wrong) == (1, 1)
    assert (found["fake"].reviewed.right.n, found["fake"].reviewed.wrong) == (2, 1)
    assert (found["fake"].sampled.right.n, found["fake"].sampled.wrong) == (1, 0)


def test_what_lies_outside_the_time_does_not_count(alice, carol, model_version):
    decided(opened(alice, model_version), carol)
    long_ago = timezone.now() - timedelta(days=9)
    found = figures(long_ago, long_ago + timedelta(days=7))
    assert (found.everybody.decided, found.models[0].reviewed.right.n) == (0, 0)
