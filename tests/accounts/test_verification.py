"""Forgeries of every kind are found and named; whole trails raise no alarm."""

import importlib
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts import append_only, audit
from accounts.audit_key import known_mac_key, mac_key, mac_of
from accounts.checkpoints import CHECKPOINTS_FILE, PUBLIC_KEY_FILE, read_public_key, seal
from accounts.models import AuditChain, AuditDetail, AuditEvent, User
from accounts.verification import KEYED, Finding, Kind, Verification, verify

pytestmark = pytest.mark.django_db
# Where in a trail something lies does not hang on the database: of another than the first, each
# forgery is asked for at two places, and not at a dozen.
FORGED, WHOLE = (12, 200) if connection.vendor == "sqlite" else (2, 20)


@pytest.fixture(autouse=True)
def folder(data_dir: Path) -> Path:
    return data_dir / "audit"


@pytest.fixture
def people(alice, bob, carol) -> list[User]:
    return [alice, bob, carol]


def happen(people: list[User], generator: random.Random, times: int) -> None:
    for at in range(times):
        actor, owner = generator.choice(people), generator.choice([*people, None])
        with transaction.atomic():
            audit.record(
                generator.choice(["image.looked_at", "thing.changed"]),
                actor=actor,
                target=actor,
                owner=owner,
                after={"n": at},
                detail={"name": f"n{at}"} if generator.random() < 0.4 else None,
            )


def trail(people: list[User], seed: int, *, tail: int = 3) -> random.Random:
    """Events with three checkpoints among them; each chain has gone on since the last."""
    generator = random.Random(seed)
    for _ in range(3):
        happen(people, generator, generator.randint(4, 9))
        seal()
    happen(people, generator, tail)
    return generator


def check(folder: Path) -> Verification:
    key = folder / PUBLIC_KEY_FILE
    known = read_public_key(key) if key.exists() else None
    return verify(folder / CHECKPOINTS_FILE, known, known_mac_key())


def lift_triggers() -> None:
    """What somebody who owns the database can do."""
    with connection.cursor() as cursor:
        for statement in append_only.DROP[connection.vendor]:
            cursor.execute(statement)


def pick(generator: random.Random, *, is_middle: bool = False) -> AuditEvent:
    """Any event; or one that others follow in its chain."""
    events = list(AuditEvent.objects.order_by("id"))
    if is_middle:
        last = dict(AuditChain.objects.values_list("number", "seq"))
        events = [event for event in events if event.seq < last[event.chain]]
    return generator.choice(events)


def pick_covered(generator: random.Random) -> AuditEvent:
    """An event that the last checkpoint stands for."""
    last = {chain: seq for chain, (seq, _) in _last_heads().items()}
    events = AuditEvent.objects.order_by("id")
    return generator.choice([one for one in events if one.seq <= last.get(one.chain, 0)])


def edit(generator: random.Random) -> Finding:
    event = pick(generator)
    column = generator.choice(["action", "actor_role", "target_id", "change", "request_id"])
    AuditEvent.objects.filter(pk=event.pk).update(**{column: "forged"})
    return Finding(Kind.EDITED, event.chain, event.seq)


def delete_middle(generator: random.Random) -> Finding:
    event = pick(generator, is_middle=True)
    _delete([event])
    return Finding(Kind.MISSING, event.chain, event.seq)


def delete_tail(generator: random.Random) -> Finding:
    """Without mending the head."""
    event = pick(generator)
    _delete(AuditEvent.objects.filter(chain=event.chain, seq__gte=event.seq))
    return Finding(Kind.CUT_OFF, event.chain, event.seq)


def delete_tail_and_mend(generator: random.Random) -> Finding:
    """Down to before the last checkpoint, with the head mended: only the checkpoint knows."""
    event = pick_covered(generator)
    _delete(AuditEvent.objects.filter(chain=event.chain, seq__gte=event.seq))
    _mend_head(event.chain)
    return Finding(Kind.CUT_OFF, event.chain, event.seq)


def swap(generator: random.Random) -> Finding:
    """What two neighbours say changes places; numbers and links stay."""
    first = pick(generator, is_middle=True)
    second = AuditEvent.objects.get(chain=first.chain, seq=first.seq + 1)
    columns = ("hash", "at", "action", "actor_id", "actor_role", "target_type", "target_id")
    columns += ("change", "detail_commitment")
    values = [{c: getattr(event, c) for c in columns} for event in (first, second)]
    for event, other in ((first, values[1]), (second, values[0])):
        AuditEvent.objects.filter(pk=event.pk).update(**other)
    return Finding(Kind.EDITED, first.chain, first.seq)


def insert(generator: random.Random) -> Finding:
    """A well-made event behind the last one, of which the head knows nothing."""
    forged = _appended(pick(generator).chain)
    return Finding(Kind.FORGED, forged.chain, forged.seq)


def insert_and_mend(generator: random.Random) -> Finding:
    """The same with the head moved: nothing but the secret is missing."""
    finding = insert(generator)
    _mend_head(finding.chain)
    return finding


def insert_before_a_checkpoint(generator: random.Random) -> Finding:
    """The application goes on behind the forged event, and signs for it."""
    finding = insert_and_mend(generator)
    happen(list(User.objects.order_by("pk")), generator, 3)
    seal()
    return finding


def insert_without_mac(generator: random.Random) -> Finding:
    """As an event from before there were MACs."""
    forged = _appended(pick(generator).chain, mac="")
    _mend_head(forged.chain)
    return Finding(Kind.FORGED, forged.chain, forged.seq)


def move_head_back(generator: random.Random) -> Finding:
    """To before events that are there and true."""
    event = pick(generator, is_middle=True)
    AuditChain.objects.filter(number=event.chain).update(seq=event.seq, head=event.hash)
    return Finding(Kind.BEYOND_HEAD, event.chain, event.seq + 1)


def rewrite_since_checkpoint(generator: random.Random) -> Finding:
    """All that no checkpoint covers yet: hashes, links and head made to fit."""
    last = _last_heads()
    events = [one for one in AuditEvent.objects.all() if one.seq > last.get(one.chain, (0, ""))[0]]
    event = generator.choice(events)
    _rewrite(event)
    return Finding(Kind.FORGED, event.chain, event.seq)


def rewrite_from(generator: random.Random) -> Finding:
    """An event a checkpoint covers and all after it, hashes, links and head made to fit."""
    event = pick_covered(generator)
    _rewrite(event)
    return Finding(Kind.FORGED, event.chain, event.seq)


def rewrite_with_the_secret(generator: random.Random) -> Finding:
    """By somebody who holds the key as well: only a checkpoint knows."""
    event = pick_covered(generator)
    _rewrite(event, key=mac_key())
    number, seq = min(
        (number, heads[event.chain][0])
        for number, heads in _all_heads()
        if event.chain in heads and heads[event.chain][0] >= event.seq
    )
    return Finding(Kind.REWRITTEN, event.chain, seq, number)


def edit_mac(generator: random.Random) -> Finding:
    event = pick(generator)
    AuditEvent.objects.filter(pk=event.pk).update(mac=generator.choice(["", "ab" * 32]))
    return Finding(Kind.FORGED, event.chain, event.seq)


def edit_checkpoint(generator: random.Random) -> Finding:
    path = _checkpoints()
    lines = path.read_text().splitlines()
    at = generator.randrange(len(lines))
    value = json.loads(lines[at])
    chain = generator.choice(list(value["heads"]))
    value["heads"][chain][0] += 1
    lines[at] = json.dumps(value, sort_keys=True, separators=(",", ":"))
    path.write_text("\n".join(lines) + "\n")
    return Finding(Kind.CHECKPOINT_EDITED, checkpoint=at + 1)


def drop_checkpoint(generator: random.Random) -> Finding:
    path = _checkpoints()
    lines = path.read_text().splitlines()
    at = generator.randrange(len(lines))
    path.write_text("".join(f"{line}\n" for line in lines[:at] + lines[at + 1 :]))
    return Finding(Kind.CHECKPOINT_MISSING, checkpoint=at + 1)


def restore_backup(generator: random.Random) -> Finding:
    """Every chain as it was at an earlier checkpoint."""
    _, heads = generator.choice(_all_heads()[:-1])
    for chain in AuditChain.objects.all():
        kept = heads.get(chain.number, (0, ""))[0]
        _delete(AuditEvent.objects.filter(chain=chain.number, seq__gt=kept))
        _mend_head(chain.number)
    last, number = _last_heads(), len(_all_heads())
    chain = min(c for c in last if last[c][0] > heads.get(c, (0, ""))[0])
    return Finding(Kind.CUT_OFF, chain, heads.get(chain, (0, ""))[0] + 1, number)


def edit_detail(generator: random.Random) -> Finding:
    detail = generator.choice(list(AuditDetail.objects.select_related("event").order_by("pk")))
    AuditDetail.objects.filter(pk=detail.pk).update(body='{"name":"forged"}')
    return Finding(Kind.DETAIL_EDITED, detail.event.chain, detail.event.seq)


FORGERIES = (
    edit,
    delete_middle,
    delete_tail,
    delete_tail_and_mend,
    swap,
    insert,
    insert_and_mend,
    insert_before_a_checkpoint,
    insert_without_mac,
    move_head_back,
    rewrite_since_checkpoint,
    rewrite_from,
    rewrite_with_the_secret,
    edit_mac,
    edit_checkpoint,
    drop_checkpoint,
    restore_backup,
    edit_detail,
)


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
@pytest.mark.parametrize("seed", range(FORGED))
def test_a_forgery_is_found_and_named(people, folder, forge: Callable, seed: int):
    generator = trail(people, seed)
    lift_triggers()
    expected = forge(generator)
    found = check(folder).findings
    if expected.kind is Kind.CUT_OFF:  # whether a checkpoint shows it depends on where it begins
        found = [replace(one, checkpoint=expected.checkpoint) for one in found]
    assert expected in found


@pytest.mark.parametrize("seed", range(WHOLE))
def test_a_whole_trail_raises_no_alarm(people, folder, seed: int):
    generator = trail(people, seed, tail=seed % 4)
    if seed % 2:
        AuditDetail.objects.filter(pk=generator.choice(list(AuditDetail.objects.all())).pk).delete()
    found = check(folder)
    assert found.findings == []
    assert found.events == AuditEvent.objects.count()
    assert (found.checkpoints, found.erased) == (3, seed % 2)


def test_an_empty_trail_raises_no_alarm(folder):
    assert check(folder) == Verification()


def test_a_trail_without_checkpoints_is_walked_all_the_same(people, folder):
    happen(people, random.Random(1), 6)
    lift_triggers()
    expected = edit(random.Random(2))
    assert check(folder).findings == [expected]


def test_checkpoints_that_vanished_are_missed(people, folder):
    trail(people, 1)
    _checkpoints().unlink()
    assert check(folder).findings == [Finding(Kind.CHECKPOINT_MISSING, checkpoint=1)]


def test_another_key_signs_nothing(people, folder):
    trail(people, 1)
    (folder / PUBLIC_KEY_FILE).write_text("ab" * 32)
    assert Finding(Kind.CHECKPOINT_EDITED, checkpoint=1) in check(folder).findings


# --- Events from before there were MACs


def _grown_old(people: list[User], generator: random.Random) -> None:
    """A trail as an older release left it, taken over by the migration."""
    happen(people, generator, 9)
    seal()
    lift_triggers()
    AuditEvent.objects.update(mac="")
    migration = importlib.import_module("accounts.migrations.0004_audit_mac")
    migration.record_where_older_events_end(apps, SimpleNamespace(connection=connection))


def test_events_older_than_macs_are_taken_as_they_are(people, folder):
    generator = random.Random(5)
    _grown_old(people, generator)
    happen(people, generator, 6)
    seal()
    assert check(folder).findings == []
    assert AuditEvent.objects.filter(mac="").count() == 10


def test_no_event_without_a_mac_is_taken_for_an_older_one(people, folder):
    generator = random.Random(5)
    _grown_old(people, generator)
    expected = insert_without_mac(generator)
    assert check(folder).findings == [expected]


def test_where_older_events_end_cannot_be_moved(people, folder):
    """Whoever states a later end lacks the key for that statement as well."""
    generator = random.Random(5)
    _grown_old(people, generator)
    keyed = AuditEvent.objects.get(action=KEYED)
    keyed.change = keyed.change.replace(":", ":9")
    keyed.hash = keyed.computed_hash()
    AuditEvent.objects.filter(pk=keyed.pk).update(
        change=keyed.change, hash=keyed.hash, mac=mac_of(b"a guess", keyed.hash)
    )
    _mend_head(0)
    found = check(folder).findings
    assert found
    assert {one.kind for one in found} == {Kind.FORGED}


def test_without_the_key_the_command_cannot_tell(people, data_dir):
    trail(people, 1)
    (data_dir / "audit_key").unlink()
    with pytest.raises(SystemExit) as exit_:
        _called()
    assert exit_.value.code == 3


def test_another_secret_key_leaves_the_trail_as_it_is(people, folder, settings):
    trail(people, 1)
    settings.SECRET_KEY = "changed since " * 5
    assert check(folder).findings == []


# --- The command


def test_the_command_says_that_all_is_whole(people):
    trail(people, 1)
    assert "Nothing was changed." in _called()[0]


def test_the_command_counts_in_good_english(people):
    happen(people[:1], random.Random(1), 1)
    seal()
    AuditDetail.objects.all().delete()
    said = _called()[0]
    assert "2 events, 1 checkpoint; text about persons was erased from" in said


def test_the_command_names_the_place_and_exits_with_2(people):
    generator = trail(people, 1)
    lift_triggers()
    expected = edit(generator)
    with pytest.raises(SystemExit) as exit_:
        _called()
    assert exit_.value.code == 2
    assert f"chain {expected.chain}, event {expected.seq}" in str(expected)


def test_the_command_cannot_tell_without_checkpoints(people):
    happen(people, random.Random(1), 3)
    with pytest.raises(SystemExit) as exit_:
        _called()
    assert exit_.value.code == 3


def test_a_copy_kept_elsewhere_shows_what_happened_to_ours(people, folder, tmp_path):
    """Whoever writes trail, checkpoints and key anew is seen by the copies alone."""
    generator = trail(people, 1)
    copies = [tmp_path / CHECKPOINTS_FILE, tmp_path / PUBLIC_KEY_FILE]
    for copy in copies:
        copy.write_bytes((folder / copy.name).read_bytes())
    lift_triggers()
    _delete(AuditEvent.objects.all())
    for chain in AuditChain.objects.all():
        _mend_head(chain.number)
    _checkpoints().unlink()
    happen(people, generator, 5)
    seal()
    assert check(folder).findings == []
    with pytest.raises(SystemExit) as exit_:
        _called(checkpoints=copies[0], public_key=copies[1])
    assert exit_.value.code == 2


@pytest.mark.parametrize("text", ["", "no key", "ab"])
def test_a_public_key_that_is_none_is_said(people, folder, text: str):
    trail(people, 1)
    (folder / PUBLIC_KEY_FILE).write_text(text)
    with pytest.raises(CommandError, match="no public key") as error:
        _called()
    assert error.value.returncode == 3


def test_checkpoints_without_their_key_are_not_called_forged(people, folder):
    trail(people, 1)
    (folder / PUBLIC_KEY_FILE).unlink()
    with pytest.raises(CommandError, match="cannot be checked") as error:
        _called()
    assert error.value.returncode == 3


def test_a_copy_that_does_not_exist_is_said(tmp_path):
    with pytest.raises(CommandError, match="does not exist") as error:
        _called(checkpoints=tmp_path / "nowhere")
    assert error.value.returncode == 3


def _called(**options: object) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("verify_audit", stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def _checkpoints() -> Path:
    from django.conf import settings

    return settings.AUDIT_DIR / CHECKPOINTS_FILE


def _all_heads() -> list[tuple[int, dict[int, list]]]:
    values = [json.loads(line) for line in _checkpoints().read_text().splitlines()]
    return [(v["number"], {int(chain): head for chain, head in v["heads"].items()}) for v in values]


def _last_heads() -> dict[int, list]:
    return _all_heads()[-1][1]


def _delete(events) -> None:
    AuditDetail.objects.filter(event__in=[event.pk for event in events]).delete()
    AuditEvent.objects.filter(pk__in=[event.pk for event in events]).delete()


def _mend_head(chain: int) -> None:
    last = AuditEvent.objects.filter(chain=chain).order_by("-seq").first()
    seq, head = (last.seq, last.hash) if last else (0, "0" * 64)
    AuditChain.objects.filter(number=chain).update(seq=seq, head=head)


def _appended(chain: int, **more: str) -> AuditEvent:
    """An event made well by somebody who knows all but the key."""
    last = AuditEvent.objects.filter(chain=chain).latest("seq")
    forged = AuditEvent.objects.get(pk=last.pk)
    forged.pk, forged.seq, forged.prev_hash = None, last.seq + 1, last.hash
    forged.hash = forged.computed_hash()
    forged.mac = more.get("mac", mac_of(b"a guess", forged.hash))
    forged.save(force_insert=True)
    return forged


def _rewrite(event: AuditEvent, *, key: bytes = b"a guess") -> None:
    """Forge an event, and every hash and link behind it."""
    rest = list(AuditEvent.objects.filter(chain=event.chain, seq__gte=event.seq).order_by("-seq"))
    rest.reverse()
    rest[0].action = "forged"
    prev_hash = rest[0].prev_hash
    for one in rest:
        one.prev_hash = prev_hash
        one.hash = prev_hash = one.computed_hash()
        one.mac = mac_of(key, one.hash)
    for one in reversed(rest):  # from behind: no two rows may follow the same hash meanwhile
        AuditEvent.objects.filter(pk=one.pk).update(
            action=one.action, prev_hash=one.prev_hash, hash=one.hash, mac=one.mac
        )
    _mend_head(event.chain)
