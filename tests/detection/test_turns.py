"""Of many who wait, each has a row a round, whatever each has sent before."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from detection import tasks
from detection.models import Detection, ModelVersion
from detection.services import batches, judging_again
from detection.services.submission import Request
from detection.services.waiting import retry_detection, turns_of
from tests.factories import (
    WORKER,
    detection_row,
    done_row,
    in_parallel,
    running_row,
    stored_upload,
    submitted,
)
from tests.images import jpeg_bytes

pytestmark = pytest.mark.django_db


def waiting(owner: User, version, count: int = 1, **fields) -> list[Detection]:
    """Rows in the order in which a person sent them."""
    queue = fields.get("queue", "detect")
    return [
        detection_row(
            owner,
            version,
            turn=Detection.objects.next_turn(owner.pk, queue),
            turn_of=owner,
            **fields,
        )
        for _ in range(count)
    ]


def jpeg_of(number: int) -> bytes:
    return jpeg_bytes() + b"%d" % number


def taken(rung_for: Detection) -> uuid.UUID | None:
    claim = Detection.objects.claim_next(rung_for.pk, worker=WORKER)
    return claim and claim.pk


def ids(*rows: Detection) -> list[uuid.UUID]:
    return [row.pk for row in rows]


def test_one_image_waits_for_one_of_each_other_and_not_for_all_they_sent(
    alice, bob, carol, model_version
):
    many = waiting(alice, model_version, 4)
    one = waiting(bob, model_version)
    two = waiting(carol, model_version, 2)
    order = [taken(row) for row in (*many, *one, *two)]
    assert order[0] == many[0].pk  # who came first
    assert set(order[1:3]) == set(ids(*one, two[0]))
    assert set(order[3:5]) == set(ids(many[1], two[1]))
    assert order[5:] == ids(*many[2:])


def test_whoever_has_nothing_in_work_comes_first_in_a_round(alice, bob, model_version):
    many = waiting(alice, model_version, 3)
    taken(many[0])
    one = waiting(bob, model_version)
    assert taken(many[1]) == one[0].pk
    assert taken(one[0]) == many[1].pk


def test_who_joins_later_does_not_overtake_what_waited_its_round(alice, bob, model_version):
    many = waiting(alice, model_version, 5)
    taken(many[0]), taken(many[1])
    late = waiting(bob, model_version, 3)
    order = [taken(many[0]) for _ in range(6)]
    assert order == ids(late[0], many[2], many[3], late[1], many[4], late[2])


def test_every_doorbell_is_worth_one_row_and_no_row_is_left(alice, bob, model_version):
    rows = [*waiting(alice, model_version, 3), *waiting(bob, model_version, 3)]
    order = [taken(row) for row in reversed(rows)]
    assert set(order) == set(ids(*rows))
    assert [taken(row) for row in rows] == [None] * 6


def test_each_queue_has_its_own_turns(alice, bob, model_version):
    bulk = waiting(alice, model_version, 2, queue="bulk")
    quick = waiting(bob, model_version)
    assert taken(bulk[1]) == bulk[0].pk
    assert taken(quick[0]) == quick[0].pk
    assert taken(quick[0]) is None  # the bulk queue is another's
    assert taken(bulk[0]) == bulk[1].pk


def test_what_a_dead_worker_held_comes_before_others_whatever_doorbell_rings(
    alice, bob, model_version
):
    lost = running_row(alice, model_version)
    Detection.objects.filter(pk=lost.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    [other] = waiting(bob, model_version)
    assert taken(other) == lost.pk
    assert taken(lost) == other.pk


def test_people_who_send_one_at_a_time_do_not_keep_others_waiting(
    alice, bob, carol, dora, model_version
):
    many = waiting(alice, model_version, 6)
    first = [waiting(who, model_version)[0] for who in (bob, carol, dora)]
    served = []
    for _ in range(20):  # one worker; whoever has got an answer sends the next at once
        claim = Detection.objects.claim_next(many[0].pk, worker=WORKER)
        claim.fail("corrupt")
        served.append(claim.turn_of_id)
        if claim.turn_of_id != alice.pk:
            waiting(claim.turn_of, model_version)
    assert first[0].turn == many[0].turn
    assert served.count(alice.pk) == 5
    assert {served.count(who.pk) for who in (bob, carol, dora)} == {5}


def test_who_was_served_last_waits_a_round_and_no_longer(alice, bob, model_version):
    for _ in range(30):
        taken(waiting(alice, model_version)[0])
    [early] = waiting(bob, model_version)
    late = waiting(alice, model_version, 2)
    assert [taken(early) for _ in range(3)] == ids(early, *late)


def test_erasing_what_waited_costs_no_rounds(alice, bob, model_version):
    gone = waiting(alice, model_version, 50)
    Detection.objects.filter(pk__in=ids(*gone)).delete()
    others = waiting(bob, model_version, 3)
    [one] = waiting(alice, model_version)
    assert [taken(one) for _ in range(4)] == ids(others[0], one, *others[1:])


def test_a_doorbell_of_a_row_that_runs_takes_another(alice, model_version):
    first, second = waiting(alice, model_version, 2)
    assert taken(first) == first.pk
    assert taken(first) == second.pk


def test_a_doorbell_for_nothing_takes_nothing(alice, model_version):
    waiting(alice, model_version)
    assert Detection.objects.claim_next(str(uuid.uuid4()), worker=WORKER) is None


def test_what_has_no_attempt_left_is_not_taken(alice, model_version):
    spent, other = waiting(alice, model_version, 2)
    Detection.objects.filter(pk=spent.pk).update(attempt=3)
    assert taken(spent) == other.pk
    assert taken(spent) is None


def test_what_a_release_before_queued_comes_first(alice, bob, model_version):
    waiting(alice, model_version, 2)
    taken(waiting(alice, model_version)[0])
    old = detection_row(bob, model_version, turn=0, turn_of=None)
    assert taken(old) == old.pk


def test_another_attempt_waits_for_what_its_owner_sent_meanwhile(alice, model_version):
    first, second = waiting(alice, model_version, 2)
    claim = Detection.objects.claim_next(first.pk, worker=WORKER)
    assert claim.release()
    assert taken(first) == second.pk
    assert taken(first) == first.pk


def test_another_attempt_waits_for_others_even_if_its_owner_has_nothing_else(
    alice, bob, carol, model_version
):
    rows = [waiting(who, model_version, 2)[0] for who in (alice, bob, carol)]
    Detection.objects.filter(turn_of=alice).exclude(pk=rows[0].pk).delete()
    claim = Detection.objects.claim_next(rows[0].pk, worker=WORKER)
    assert claim.pk == rows[0].pk
    claim.release()
    assert [taken(rows[0]) for _ in range(3)] == ids(rows[1], rows[2], rows[0])


def test_what_the_storage_could_not_give_is_left_alone_for_a_while(alice, bob, model_version):
    [first] = waiting(alice, model_version)
    others = waiting(bob, model_version, 3)
    claim = Detection.objects.claim_next(first.pk, worker=WORKER)
    assert claim.put_off()
    assert [taken(first) for _ in range(4)] == [*ids(*others), None]
    first.refresh_from_db()
    assert (first.status, first.attempt_limit - first.attempt) == ("queued", 3)
    Detection.objects.filter(pk=first.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert taken(first) == first.pk


def test_each_request_takes_the_next_round_of_its_owner(alice, bob, model_version):
    made = [submitted(who, jpeg_of(n)).detection for n, who in enumerate([alice, alice, bob])]
    assert [(row.turn, row.turn_of) for row in made] == [(0, alice), (1, alice), (0, bob)]


def test_the_same_bytes_again_take_no_round(alice, model_version):
    first, again, other = (submitted(alice, jpeg_of(n)).detection for n in (1, 1, 2))
    assert (first, other.turn) == (again, 1)


def test_who_hurries_joins_the_round_of_the_quick_queue(alice, bob, model_version):
    for n in range(3):
        submitted(bob, jpeg_of(n))
    for n in range(3):
        last = submitted(alice, jpeg_of(n), priority="bulk").detection
    assert last.turn == 2
    submitted(alice, jpeg_of(2))
    last.refresh_from_db()
    assert (last.queue, last.turn, last.turn_of) == ("detect", 0, alice)


def test_what_is_hurried_one_after_the_other_takes_a_round_each(alice, bob, model_version):
    for n in range(4):
        submitted(alice, jpeg_of(n), priority="bulk")
    others = waiting(bob, model_version, 3)
    hurried = []
    for n in range(4):
        row = submitted(alice, jpeg_of(n)).detection
        Detection.objects.filter(pk=row.pk).update(status="running", lease_until=None)
        row.refresh_from_db()
        hurried.append((row.queue, row.turn))
    assert [row.turn for row in others] == [0, 1, 2]
    assert hurried == [("detect", 0), *[("detect", 1)] * 3]


def test_many_that_are_hurried_by_one_request_take_a_round_each(alice, model_version):
    known = [submitted(alice, jpeg_of(n), priority="bulk") for n in range(3)]
    uploads = [stored_upload(jpeg_of(n)) for n in range(3)]
    with batches.kept(uploads, by=alice) as files, transaction.atomic():
        batches.accept(files, uploads, Request(alice, "api"), [{}] * 3)
    rows = Detection.objects.filter(pk__in=[one.detection_id for one in known])
    assert set(rows.values_list("queue", "turn")) == {("detect", n) for n in range(3)}


def test_after_an_outage_nobody_waits_for_all_that_one_had_sent(alice, bob, model_version):
    many = waiting(alice, model_version, 5)
    for row in many:
        Detection.objects.claim_next(row.pk, worker=WORKER).put_off()
    [one] = waiting(bob, model_version)
    Detection.objects.filter(turn_of=alice).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert one.pk in [taken(one), taken(one)]


def test_what_was_read_as_running_waits_in_the_quick_queue_by_a_turn_of_that(
    alice, bob, model_version, monkeypatch
):
    for n in range(3):
        last = submitted(alice, jpeg_of(n), priority="bulk").detection
    waiting(bob, model_version, 1)
    Detection.objects.filter(pk=last.pk).update(status="running", attempt=1)

    def released_meanwhile(*args, **named):
        Detection.objects.filter(pk=last.pk).update(status="queued")
        return turns_of(*args, **named)

    monkeypatch.setattr("detection.services.waiting.turns_of", released_meanwhile)
    submitted(alice, jpeg_of(2))
    last.refresh_from_db()
    assert (last.queue, last.turn) == ("detect", 0)


def test_the_same_bytes_twice_in_a_bulk_request_ring_once(
    alice, model_version, rung, django_capture_on_commit_callbacks
):
    uploads = [stored_upload(jpeg_of(1)) for _ in range(2)]
    with (
        django_capture_on_commit_callbacks(execute=True),
        batches.kept(uploads, by=alice) as files,
        transaction.atomic(),
    ):
        batches.accept(files, uploads, Request(alice, "api", priority="bulk"), [{}] * 2)
    assert rung == [str(Detection.objects.get().pk)]


def test_what_is_left_alone_holds_no_round(alice, bob, carol, model_version):
    [stuck] = waiting(alice, model_version)
    Detection.objects.claim_next(stuck.pk, worker=WORKER).put_off()
    many = waiting(bob, model_version, 4)
    served = []
    for _ in range(6):
        if not Detection.objects.waiting_in("detect").filter(turn_of=carol).exists():
            waiting(carol, model_version)
        claim = Detection.objects.claim_next(many[0].pk, worker=WORKER)
        claim.fail("corrupt")
        served.append(claim.turn_of_id)
    assert served.count(bob.pk) == served.count(carol.pk) == 3


def test_a_retry_joins_its_owners_last_round(alice, model_version):
    failed = running_row(alice, model_version)
    failed.fail("decoder_crashed")
    waiting(alice, model_version, 2)
    assert retry_detection(by=alice, detection=failed)
    failed.refresh_from_db()
    assert (failed.turn, failed.turn_of) == (2, alice)


def test_judged_again_is_the_turn_of_whoever_asked(alice, carol, model_version):
    older = ModelVersion.objects.create(name="fake", version="0", artifact_sha256="e" * 64)
    row = judging_again.ask(by=carol, detection=done_row(alice, older))
    assert row.turn_of == carol


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_get_rounds_of_their_own(alice, model_version):
    numbers = iter(range(100))
    in_parallel(lambda: submitted(alice, jpeg_of(next(numbers))), times=6)
    assert set(Detection.objects.values_list("turn", flat=True)) == set(range(6))


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's plans")
def test_what_comes_next_is_found_by_index(alice, model_version):
    rows = Detection.objects.waiting_in("detect")
    following = rows.order_by("turn", "queued_at")[:1].explain()
    assert "USING INDEX detection_turns (queue=?)" in following
    last = rows.filter(turn_of=alice).order_by("-turn").values("turn")[:1].explain()
    assert "detection_turns_of (queue=? AND turn_of_id=?)" in last
    assert "TEMP B-TREE" not in following + last


@pytest.mark.usefixtures("fake_judgement")
def test_workers_judge_in_turns(alice, bob, model_version):
    rows = [submitted(alice, jpeg_of(n)).detection for n in range(3)]
    one = submitted(bob, jpeg_of(9)).detection
    for row in rows[:2]:
        tasks.run_detection(str(row.pk))
    done = Detection.objects.filter(status="done")
    assert {row.pk for row in done} == {rows[0].pk, one.pk}
