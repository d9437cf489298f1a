"""Signed checkpoints of the audit trail, in a file outside the database."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction

from accounts import audit, checkpoints
from accounts.checkpoints import (
    CHECKPOINTS_FILE,
    PUBLIC_KEY_FILE,
    SEALED,
    Checkpoint,
    read_public_key,
    seal,
)
from accounts.models import AuditEvent, User
from accounts.models.audit_event import GENESIS
from accounts.tasks import seal_audit
from tests.factories import in_parallel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(data_dir: Path) -> Path:
    return data_dir / "audit"


def happen(actor: User) -> AuditEvent:
    with transaction.atomic():
        audit.record("thing.changed", actor=actor, target=actor, owner=actor)
        return AuditEvent.objects.latest("pk")


def lines(folder: Path) -> list[Checkpoint]:
    text = (folder / CHECKPOINTS_FILE).read_text()
    return [Checkpoint.from_line(line) for line in text.splitlines()]


def test_a_checkpoint_names_the_last_event_of_every_chain_that_holds_one(alice, bob, folder):
    happen(alice)
    last, other = happen(alice), happen(bob)
    sealed = seal()
    assert sealed.heads == {e.chain: (e.seq, e.hash) for e in (last, other)}
    assert lines(folder) == [sealed]


def test_checkpoints_are_signed_and_name_the_one_before(alice, folder):
    for _ in range(3):
        happen(alice)
        seal()
    key, found = read_public_key(folder / PUBLIC_KEY_FILE), lines(folder)
    assert [one.number for one in found] == [1, 2, 3]
    assert [one.previous for one in found] == [GENESIS, *(one.digest() for one in found[:2])]
    assert all(one.is_signed_by(key) for one in found)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 7},
        {"at": "2020-01-01T00:00:00.000+00:00"},
        {"previous": "1" * 64},
        {"heads": {1: (1, "1" * 64)}},
        {"signature": "ab"},
        {"signature": "no hexadecimal"},
    ],
)
def test_a_signature_covers_everything(alice, folder, change):
    happen(alice)
    sealed, key = seal(), read_public_key(folder / PUBLIC_KEY_FILE)
    assert sealed.is_signed_by(key)
    assert not replace(sealed, **change).is_signed_by(key)
    assert not sealed.is_signed_by(Ed25519PrivateKey.generate().public_key())


def test_the_chain_names_the_checkpoint(alice):
    happen(alice)
    sealed = seal()
    event = AuditEvent.objects.get(action=SEALED)
    assert event.chain == 0
    assert json.loads(event.change)["after"] == {"number": 1, "sha256": sealed.digest()}


def test_nothing_new_is_not_sealed_again(alice, folder):
    assert seal() is None
    happen(alice)
    assert seal() is not None
    assert seal() is None
    seal_audit()
    assert len(lines(folder)) == 1


def test_an_event_in_the_systems_chain_is_news(alice):
    happen(alice)
    seal()
    with transaction.atomic():
        audit.record("model.activated", actor=None, target=alice)
    assert seal().number == 2


def test_a_line_that_a_crash_cut_short_makes_way(alice, folder):
    happen(alice)
    first = seal()
    with (folder / CHECKPOINTS_FILE).open("a") as file:
        file.write('{"at":"2026')
    happen(alice)
    second = seal()
    assert lines(folder) == [first, second]


def test_a_crash_before_the_event_leaves_a_file_that_goes_on(alice, folder, monkeypatch):
    happen(alice)

    def crash(*_: object, **__: object) -> None:
        raise OSError("the machine died")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints.audit, "record", crash)
        with pytest.raises(OSError, match="died"):
            seal()
    assert seal() is None
    happen(alice)
    assert seal().number == 2


def test_the_private_key_is_for_its_owner_alone_and_stays(alice, data_dir, folder):
    happen(alice)
    seal()
    path = data_dir / "audit_key"
    before = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    happen(alice)
    seal()
    assert path.read_text() == before
    assert before.strip() not in (folder / CHECKPOINTS_FILE).read_text()
    assert before.strip() not in (folder / PUBLIC_KEY_FILE).read_text()


def test_a_key_from_the_settings_is_kept_nowhere(alice, data_dir, settings):
    key = Ed25519PrivateKey.generate()
    settings.AUDIT_KEY = key.private_bytes_raw().hex()
    happen(alice)
    assert seal().is_signed_by(key.public_key())
    assert not (data_dir / "audit_key").exists()


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "null", '{"heads":[1]}', '{"heads":{"0":5},"number":1}', "\ud800"]
)
def test_what_is_no_checkpoint_is_refused(line):
    with pytest.raises(ValueError, match="no checkpoint"):
        Checkpoint.from_line(line)


def test_another_form_of_the_same_checkpoint_is_refused(alice):
    happen(alice)
    line = seal().line()
    assert Checkpoint.from_line(line).line() == line
    with pytest.raises(ValueError, match="one form"):
        Checkpoint.from_line(json.dumps(json.loads(line)))


@pytest.mark.django_db(transaction=True)
def test_two_sealers_at_once_number_their_checkpoints_in_turn(alice, folder):
    def work() -> None:
        for _ in range(3):
            happen(alice)
            seal()

    in_parallel(work, times=3)
    found = lines(folder)
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    assert [one.previous for one in found[1:]] == [one.digest() for one in found[:-1]]
