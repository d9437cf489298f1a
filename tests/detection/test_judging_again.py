"""Older detections judged by the model that judges now: one, a case's, or all."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection import history
from detection.errors import Refused
from detection.history import Asked
from detection.models import Detection, Image, ModelVersion, Rejudging, WebhookDelivery
from detection.services import cases, judging_again, registry, sweeping
from detection.services.case_summary import entries_of, outcome_counts
from detection.services.history_export import file_names
from detection.services.seen_before import find, fingerprint
from detection.services.webhooks import add_endpoint
from detection.tasks import judge_again, run_detection
from tests import images
from tests.factories import WORKER, detection_row, done_row, in_parallel, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("told")]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Detection]:
    """Detections whose owners are told, each within its transaction."""
    heard: list[Detection] = []

    def hear(detection: Detection) -> None:
        assert transaction.get_connection().in_atomic_block
        heard.append(detection)

    monkeypatch.setattr("detection.services.telling.judged_again", hear)
    return heard


@pytest.fixture
def newer(model_version: ModelVersion) -> ModelVersion:
    """A model that will follow the active one."""
    return ModelVersion.objects.create(
        name="fake", version="2", artifact_sha256="e" * 64, operating_point={}
    )


@pytest.fixture
def old(
    alice: User, model_version: ModelVersion, newer: ModelVersion, fake_judgement: Any
) -> Detection:
    """Judged by the model before."""
    sent = submitted(alice, images.jpeg_bytes(seed=5), name="harbour.jpg")
    run_detection(str(sent.detection_id))
    registry.activate(newer, by=None)
    return Detection.objects.get(pk=sent.detection_id)


def many(owner: User, version: ModelVersion, n: int, **fields: Any) -> list[Detection]:
    now = timezone.now()
    return [
        done_row(owner, version, created_at=now - timedelta(minutes=at), **fields)
        for at in range(n)
    ]


def to_the_end(row: Rejudging, most: int = 50) -> Iterator[int]:
    """Slices, each with how many were handed over in all; what was handed over is judged."""
    for _ in range(most):
        judge_again(str(row.pk))
        row.refresh_from_db()
        yield row.done
        if row.is_finished:
            return
        Detection.objects.filter(status="queued").update(
            status="done", verdict="inconclusive", completed_at=timezone.now()
        )
    raise AssertionError("not finished")


# --- one


def test_the_old_verdict_stays_beside_the_new_one(old, newer, alice, told, fake_judgement):
    fake_judgement.update(verdict="likely_authentic", probability=0.05)
    again = judging_again.ask(by=alice, detection=old)
    assert (again.judged_before, again.model_version, again.queue) == (old, newer, "bulk")
    run_detection(str(again.pk))
    verdicts = dict(Detection.objects.values_list("model_version__version", "verdict"))
    assert verdicts == {"1": "likely_manipulated", "2": "likely_authentic"}
    assert told == [again]


def test_asking_twice_makes_one(old, alice, carol):
    first, second = (judging_again.ask(by=by, detection=old) for by in (alice, carol))
    assert first == second
    assert AuditEvent.objects.filter(action="detection.asked_again").count() == 1


@pytest.mark.django_db(transaction=True)
def test_asking_at_once_makes_one(old, alice):
    rows = in_parallel(lambda: judging_again.ask(by=alice, detection=old), times=4)
    assert len({row.pk for row in rows}) == 1
    assert AuditEvent.objects.filter(action="detection.asked_again").count() == 1


def test_the_same_model_does_not_judge_again(alice, model_version):
    row = done_row(alice, model_version)
    with pytest.raises(Refused) as refusal:
        judging_again.ask(by=alice, detection=row)
    assert refusal.value.code == "judged_by_newest"


def test_what_has_no_verdict_is_not_judged_again(alice, model_version, newer):
    old = detection_row(alice, model_version)
    registry.activate(newer, by=None)
    with pytest.raises(Refused) as refusal:
        judging_again.ask(by=alice, detection=old)
    assert refusal.value.code == "no_verdict_to_repeat"


def test_an_erased_image_is_not_judged_again(old, alice):
    Image.objects.update(erased_at=timezone.now())
    with pytest.raises(Refused) as refusal:
        judging_again.ask(by=alice, detection=old)
    assert refusal.value.code == "erased_meanwhile"
    assert Detection.objects.count() == 1


def test_nobody_is_told_of_a_first_verdict(old, told):
    assert told == []


def test_a_webhook_hears_of_what_was_submitted_only(old, alice, newer):
    add_endpoint(by=alice, url="https://192.0.2.1/hook", events=["detection.completed"])
    again = judging_again.ask(by=alice, detection=old)
    run_detection(str(again.pk))
    assert not WebhookDelivery.objects.exists()


def test_a_webhook_hears_where_the_image_was_submitted_meanwhile(old, alice, newer):
    add_endpoint(by=alice, url="https://192.0.2.1/hook", events=["detection.completed"])
    again = judging_again.ask(by=alice, detection=old)
    assert submitted(alice, images.jpeg_bytes(seed=5)).detection_id == again.pk
    run_detection(str(again.pk))
    assert WebhookDelivery.objects.count() == 1


def test_it_stands_beside_the_first_in_the_history_and_is_found_by_its_name(old, alice):
    later = submitted(alice, images.jpeg_bytes(seed=6), name="later.jpg")
    again = judging_again.ask(by=alice, detection=old)
    found = history.find(alice, Asked(), cursor="", size=10).ids
    assert found == [later.detection_id, again.pk, old.pk]
    named = history.find(alice, Asked(text="harbour"), cursor="", size=10).ids
    assert named == [again.pk, old.pk]
    assert file_names([again], alice) == {again.pk: "harbour.jpg"}


def test_an_older_verdict_stands_in_a_case_until_there_is_a_new_one(old, alice, fake_judgement):
    case = cases.create(by=alice, title="A story")
    cases.add_images(by=alice, case=case, images=[old.image])
    again = judging_again.ask(by=alice, detection=old)
    assert outcome_counts([case.pk]) == {case.pk: {"likely_manipulated": 1}}
    assert entries_of(case, case.entries.all(), alice)[0].detection == old
    fake_judgement.update(verdict="inconclusive")
    run_detection(str(again.pk))
    assert outcome_counts([case.pk]) == {case.pk: {"inconclusive": 1}}
    assert entries_of(case, case.entries.all(), alice)[0].detection == again


def test_what_was_judged_again_did_not_come_again(old, alice):
    again = judging_again.ask(by=alice, detection=old)
    run_detection(str(again.pk))
    for row in Detection.objects.select_related("image"):
        assert find(alice, fingerprint(row.image), beside=row).matches == []


# --- many


def test_all_are_handed_over_newest_first_a_few_at_a_time(
    alice, bob, dora, model_version, newer, monkeypatch
):
    monkeypatch.setattr(judging_again, "HANDFUL", 4)
    rows = many(alice, model_version, 6) + many(bob, model_version, 3)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    assert order.total == 9
    assert list(to_the_end(order)) == [4, 8, 9]
    assert (order.status, order.ended) == ("done", "")
    again = Detection.objects.filter(model_version=newer)
    assert {row.judged_before_id for row in again} == {row.pk for row in rows}
    assert set(again.values_list("queue", flat=True)) == {"bulk"}


def test_it_gives_way_to_whatever_was_submitted(alice, dora, model_version, newer, bells):
    many(alice, model_version, 3)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    waiting = submitted(alice, images.jpeg_bytes(seed=9))
    judge_again(str(order.pk))
    order.refresh_from_db()
    assert (order.status, order.done) == ("queued", 0)
    Detection.objects.filter(pk=waiting.detection_id).update(
        status="failed", failure_code="corrupt"
    )
    judge_again(str(order.pk))
    order.refresh_from_db()
    assert order.done == 3


def test_an_image_that_the_storage_does_not_give_holds_it_up_no_longer(
    alice, dora, model_version, newer
):
    many(alice, model_version, 3)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    waiting = submitted(alice, images.jpeg_bytes(seed=9)).detection
    claim = Detection.objects.claim_next(str(waiting.pk), worker=WORKER)
    assert claim.put_off()
    judge_again(str(order.pk))
    order.refresh_from_db()
    assert order.done == 3


def test_of_an_image_judged_again_twice_the_last_verdict_comes_last(old, alice, newer):
    second = judging_again.ask(by=alice, detection=old)
    Detection.objects.filter(pk=second.pk).update(
        status="done", verdict="inconclusive", completed_at=timezone.now()
    )
    third = ModelVersion.objects.create(name="fake", version="3", artifact_sha256="d" * 64)
    registry.activate(third, by=None)
    last = judging_again.ask(by=alice, detection=old)
    times = [Detection.objects.get(pk=row.pk).created_at for row in (old, second, last)]
    assert times == sorted(set(times))


def test_days_of_giving_way_count_as_no_attempts(alice, dora, model_version, newer):
    many(alice, model_version, 1)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    submitted(alice, images.jpeg_bytes(seed=9))
    for _ in range(5):
        judge_again(str(order.pk))
    order.refresh_from_db()
    assert (order.status, order.attempt) == ("queued", 0)
    assert order.attempt_limit < 10


def test_one_that_nobody_can_carry_out_ends_and_is_recorded(alice, dora, model_version, newer):
    many(alice, model_version, 1)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    Rejudging.objects.update(
        status="running", attempt=3, lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert judging_again.fail_exhausted() == 1
    order.refresh_from_db()
    assert (order.status, order.failure_code) == ("failed", "attempts_exhausted")
    assert AuditEvent.objects.latest("pk").action == "rejudging.failed"


def test_it_waits_for_its_last_handful(alice, dora, model_version, newer, monkeypatch):
    monkeypatch.setattr(judging_again, "HANDFUL", 2)
    many(alice, model_version, 5)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    for _ in range(3):
        judge_again(str(order.pk))
    order.refresh_from_db()
    assert order.done == 2


def test_confidential_images_are_left_to_their_owners(alice, dora, model_version, newer):
    row, hidden = many(alice, model_version, 2)
    Image.objects.filter(pk=hidden.image_id).update(is_confidential=True)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    assert order.total == 1
    list(to_the_end(order))
    assert Detection.objects.get(model_version=newer).judged_before == row


def test_only_what_came_since(alice, dora, model_version, newer):
    rows = many(alice, model_version, 5)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora, since=rows[1].created_at)
    assert order.total == 2
    list(to_the_end(order))
    assert Detection.objects.filter(model_version=newer).count() == 2


def test_an_image_judged_by_several_models_is_judged_once_more(alice, dora, model_version, newer):
    [first] = many(alice, model_version, 1)
    third = ModelVersion.objects.create(name="fake", version="3", artifact_sha256="d" * 64)
    second = done_row(
        alice, third, image=first.image, created_at=first.created_at + timedelta(seconds=1)
    )
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    assert order.total == 1
    list(to_the_end(order))
    assert Detection.objects.get(model_version=newer).judged_before == second


def test_killed_after_any_image_it_goes_on_and_doubles_nothing(
    alice, dora, model_version, newer, monkeypatch
):
    many(alice, model_version, 7)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    real, count = judging_again._hand_over_one, iter(range(1, 100))

    def dying(claim: Rejudging, row: Detection) -> bool:
        is_new = real(claim, row)
        if next(count) % 2 == 0:
            raise KeyboardInterrupt
        return is_new

    monkeypatch.setattr(judging_again, "_hand_over_one", dying)
    monkeypatch.setattr(judging_again, "HANDFUL", 100)
    for _ in range(20):
        try:
            judge_again(str(order.pk))
        except KeyboardInterrupt:
            past = timezone.now() - timedelta(seconds=1)
            Rejudging.objects.filter(pk=order.pk).update(lease_until=past, attempt_limit=99)
    order.refresh_from_db()
    assert (order.status, order.done) == ("done", 7)
    assert Detection.objects.filter(model_version=newer).count() == 7


def test_cancelling_hands_nothing_more_over(alice, dora, model_version, newer, monkeypatch):
    monkeypatch.setattr(judging_again, "HANDFUL", 2)
    many(alice, model_version, 5)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    judge_again(str(order.pk))
    assert judging_again.cancel(by=dora, rejudging=order)
    assert not judging_again.cancel(by=dora, rejudging=order)
    judge_again(str(order.pk))
    order.refresh_from_db()
    assert (order.status, order.ended, order.done) == ("done", "cancelled", 2)
    assert AuditEvent.objects.filter(action="rejudging.cancelled").count() == 1


def test_another_model_ends_it(alice, dora, model_version, newer):
    many(alice, model_version, 2)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    registry.activate(model_version, by=None)
    judge_again(str(order.pk))
    order.refresh_from_db()
    assert (order.status, order.ended) == ("done", "superseded")
    assert not Detection.objects.filter(model_version=newer).exists()


def test_one_order_at_a_time(alice, dora, model_version, newer):
    many(alice, model_version, 2)
    registry.activate(newer, by=None)
    judging_again.order(by=dora)
    with pytest.raises(Refused) as refusal:
        judging_again.order(by=dora)
    assert refusal.value.code == "judging_again_already"


def test_where_there_is_nothing_it_says_so(dora, model_version):
    with pytest.raises(Refused) as refusal:
        judging_again.order(by=dora)
    assert refusal.value.code == "nothing_to_judge_again"


def test_a_cases_images_are_judged_again_and_no_others(alice, model_version, newer):
    inside, hidden, _outside = many(alice, model_version, 3)
    Image.objects.filter(pk=hidden.image_id).update(is_confidential=True)
    case = cases.create(by=alice, title="A story")
    cases.add_images(
        by=alice, case=case, images=[inside.image, hidden.image], shares_confidential=True
    )
    registry.activate(newer, by=None)
    order = judging_again.order(by=alice, case=case)
    list(to_the_end(order))
    again = Detection.objects.filter(model_version=newer)
    assert {row.judged_before for row in again} == {inside, hidden}
    assert order.judged().count() == 2


def test_the_sweeper_rings_for_an_order_that_nobody_takes(alice, dora, model_version, newer, bells):
    many(alice, model_version, 1)
    registry.activate(newer, by=None)
    order = judging_again.order(by=dora)
    Rejudging.objects.update(rung_at=None)
    bells.clear()
    assert sweeping.sweep()["rung_for_judging_again"] == 1
    assert bells == [[str(order.pk)]]
