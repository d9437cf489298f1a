"""The audit trail: chained, gapless, append-only, and personal text apart from it."""

import hashlib
import json
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from accounts import audit
from accounts.models import AuditChain, AuditDetail, AuditEvent, User
from accounts.models.audit_event import (
    CHAINS,
    GENESIS,
    HASHED_COLUMNS,
    canonical,
    commitment,
)
from tests.factories import in_parallel


def _record(actor: User, **options: Any) -> AuditEvent:
    with transaction.atomic():
        audit.record("thing.changed", actor=actor, target=actor, owner=actor, **options)
        return AuditEvent.objects.latest("pk")


def test_each_hash_covers_the_one_before(alice):
    first, second, third = (_record(alice, after={"n": n}) for n in range(3))
    assert first.prev_hash == GENESIS
    assert (second.prev_hash, third.prev_hash) == (first.hash, second.hash)


def test_the_hashes_verify_after_a_round_through_the_database(alice):
    _record(alice, before={"name": "é"}, after={"share": 0.1, "none": None}, detail={"a": "ب"})
    stored = AuditEvent.objects.get()
    assert stored.computed_hash() == stored.hash


def test_the_hashed_text_is_the_canonical_json_of_the_columns(alice):
    """Everything that was ever written hangs on this form."""
    event = _record(alice, before={"name": 'é "ب" \\ \n'}, detail={"a": "b"})
    fields = {name: getattr(event, name) for name in HASHED_COLUMNS if name != "at"}
    at_us = int(event.at.timestamp()) * 1_000_000 + event.at.microsecond
    for actor_id in (event.actor_id, None):
        event.actor_id = fields["actor_id"] = actor_id
        text = canonical({**fields, "at_us": at_us, "version": 1})
        assert event.computed_hash() == hashlib.sha256(text.encode("ascii")).hexdigest()


HASHED = (
    "chain seq prev_hash action actor_id actor_role key_prefix target_type target_id target_sha256"
    " change request_id detail_commitment"
)


@pytest.mark.parametrize("field", HASHED.split())
def test_the_hash_covers_every_column(alice, field):
    event = _record(alice)
    value = getattr(event, field)
    setattr(event, field, value + 1 if isinstance(value, int) else value + "x")
    assert event.computed_hash() != event.hash


def test_the_hash_covers_the_time_to_the_microsecond(alice):
    event = _record(alice)
    event.at = event.at.replace(microsecond=(event.at.microsecond + 1) % 1_000_000)
    assert event.computed_hash() != event.hash


def test_a_chain_counts_without_gaps(alice):
    for _ in range(5):
        _record(alice)
    assert [event.seq for event in AuditEvent.objects.order_by("seq")] == [1, 2, 3, 4, 5]


def test_a_rolled_back_event_leaves_no_gap(alice):
    _record(alice)
    with transaction.atomic():
        audit.record("thing.changed", actor=alice, target=alice, owner=alice)
        transaction.set_rollback(True)
    assert _record(alice).seq == 2


def test_the_head_names_the_last_event(alice):
    event = _record(alice)
    chain = AuditChain.objects.get(number=event.chain)
    assert (chain.seq, chain.head) == (event.seq, event.hash)


def test_the_owner_chooses_the_chain(alice):
    assert _record(alice).chain == alice.pk % CHAINS + 1


def test_without_an_owner_it_is_the_systems_chain(alice):
    with transaction.atomic():
        audit.record("thing.changed", actor=None, target=alice)
    assert AuditEvent.objects.get().chain == 0


def test_it_says_who_did_what_to_which_object(carol, alice):
    with transaction.atomic():
        audit.record("thing.changed", actor=carol, target=alice, owner=alice)
    event = AuditEvent.objects.get()
    assert (event.actor_id, event.actor_role) == (carol.pk, "moderator")
    assert (event.target_type, event.target_id) == ("user", str(alice.pk))


@pytest.mark.django_db(transaction=True)
def test_it_is_refused_outside_a_transaction(alice):
    with pytest.raises(RuntimeError, match="transaction"):
        audit.record("thing.changed", actor=alice, target=alice)
    assert not AuditEvent.objects.exists()


def test_events_recorded_together_are_chained_like_others(alice, carol):
    with transaction.atomic(), audit.together():
        for n, owner in enumerate((alice, carol, alice)):
            audit.record("thing.changed", actor=alice, target=owner, owner=owner, after={"n": n})
        assert not AuditEvent.objects.exists()
    mine = AuditEvent.objects.filter(chain=audit.chain_of(alice.pk)).order_by("seq")
    assert [event.change for event in mine] == [
        canonical({"before": {}, "after": {"n": n}}) for n in (0, 2)
    ]
    assert [event.prev_hash for event in mine] == [GENESIS, mine[0].hash]
    assert AuditChain.objects.get(number=mine[0].chain).head == mine[1].hash
    assert AuditEvent.objects.get(chain=audit.chain_of(carol.pk)).seq == 1


def test_what_is_said_of_persons_stays_with_its_event(alice):
    with transaction.atomic(), audit.together():
        for name in ("first", "second"):
            audit.record(f"thing.{name}", actor=alice, target=alice, detail={"name": name})
    for event in AuditEvent.objects.select_related("detail"):
        assert event.action == f"thing.{json.loads(event.detail.body)['name']}"
        assert event.detail_commitment == commitment(event.detail.salt, event.detail.body)


def test_a_block_that_fails_appends_nothing(alice):
    def fail():
        with transaction.atomic(), audit.together():
            audit.record("thing.changed", actor=alice, target=alice)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert not AuditEvent.objects.exists()


def test_many_events_of_a_block_cost_few_statements(alice, django_assert_max_num_queries):
    # lock, events, details, head; SQLite takes so many values at once
    with transaction.atomic(), django_assert_max_num_queries(8), audit.together():
        for _ in range(100):
            audit.record("thing.changed", actor=alice, target=alice, detail={"a": "b"})


@pytest.mark.django_db(transaction=True)
def test_blocks_of_several_chains_never_wait_crosswise(alice, carol):
    def both_ways(owners=((alice, carol), (carol, alice))):
        for pair in owners:
            with transaction.atomic(), audit.together():
                for owner in pair:
                    audit.record("thing.changed", actor=owner, target=owner, owner=owner)

    in_parallel(both_ways, times=4)
    assert AuditEvent.objects.count() == 16


@pytest.mark.django_db(transaction=True)
def test_parallel_writers_never_fork_a_chain(alice):
    in_parallel(lambda: [_record(alice) for _ in range(5)], times=4)
    events = list(AuditEvent.objects.order_by("seq"))
    assert [event.seq for event in events] == list(range(1, 21))
    assert [event.prev_hash for event in events] == [GENESIS, *(e.hash for e in events[:-1])]


def test_a_fork_is_refused_by_the_database(alice):
    event = _record(alice)
    fork = AuditEvent.objects.get()
    fork.pk, fork.seq = None, 2
    with pytest.raises(DatabaseError), transaction.atomic():
        fork.save(force_insert=True)
    assert AuditEvent.objects.get().pk == event.pk


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditevent SET action = 'x'",
        "DELETE FROM accounts_auditevent",
    ],
)
def test_raw_sql_cannot_change_it(alice, statement):
    _record(alice)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(statement)
    assert AuditEvent.objects.get().action == "thing.changed"


def test_raw_sql_cannot_truncate_it(alice):
    if connection.vendor != "postgresql":
        with pytest.raises(DatabaseError), transaction.atomic():
            connection.cursor().execute("TRUNCATE accounts_auditevent")
        return
    _record(alice)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute("TRUNCATE accounts_auditevent CASCADE")


def test_the_orm_cannot_update_it(alice):
    _record(alice)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.update(action="x")


def test_a_saved_instance_cannot_be_saved_again(alice):
    event = _record(alice)
    event.action = "x"
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        event.save()


def test_the_orm_cannot_delete_it(alice):
    _record(alice)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.all().delete()


def test_personal_text_is_not_in_the_hashed_row(alice):
    event = _record(alice, detail={"file_name": "my-source.jpg"})
    row = AuditEvent.objects.filter(pk=event.pk).values().get()
    assert "my-source" not in str(row)
    assert "my-source" in event.detail.body


def test_the_row_commits_to_its_personal_text(alice):
    event = _record(alice, detail={"file_name": "my-source.jpg"})
    detail = AuditDetail.objects.get(event=event)
    assert event.detail_commitment == commitment(detail.salt, detail.body)


def test_the_same_text_commits_differently_each_time(alice):
    first, second = (_record(alice, detail={"file_name": "same.jpg"}) for _ in range(2))
    assert first.detail_commitment != second.detail_commitment


def test_erasing_personal_text_leaves_the_chain_whole(alice):
    for n in range(3):
        _record(alice, detail={"file_name": f"{n}.jpg"})
    AuditDetail.objects.all().delete()
    events = list(AuditEvent.objects.order_by("seq"))
    assert len(events) == 3
    assert all(event.computed_hash() == event.hash for event in events)


def test_the_request_gives_its_id_and_address(alice):
    token = audit.context_var.set(audit.RequestContext("request-1", "192.0.2.7", "abcdefgh"))
    event = _record(alice)
    audit.context_var.reset(token)
    assert (event.request_id, event.key_prefix) == ("request-1", "abcdefgh")
    assert event.detail.body == '{"address":"192.0.2.7"}'


def test_the_address_is_not_in_the_hashed_row(alice):
    token = audit.context_var.set(audit.RequestContext("request-1", "192.0.2.7"))
    event = _record(alice)
    audit.context_var.reset(token)
    assert "192.0.2.7" not in str(AuditEvent.objects.filter(pk=event.pk).values().get())


def test_without_personal_text_there_is_no_detail(alice):
    event = _record(alice)
    assert event.detail_commitment == ""
    assert not AuditDetail.objects.exists()
