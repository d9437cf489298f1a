"""A backup that was restored on purpose is a known gap, and excuses nothing else."""

import io
import json
import random
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.audit_export import write_export
from accounts.checkpoints import CHECKPOINTS_FILE, RESTORED, seal
from accounts.models import AuditChain, AuditDetail, AuditEvent
from accounts.verification import Finding, Kind
from tests.accounts import test_verification as trails
from tests.accounts.test_audit_export import export_main
from tests.accounts.test_verification import check, happen, lift_triggers, trail

pytestmark = pytest.mark.django_db
people = trails.people


@pytest.fixture
def folder(data_dir: Path) -> Path:
    return data_dir / "audit"


@pytest.fixture
def restored(people) -> random.Random:
    """Three checkpoints; the database is as it was at the first, the file of checkpoints is not."""
    generator = trail(people, 7)
    lift_triggers()
    restore(1)
    return generator


def restore(number: int) -> None:
    heads = dict(trails._all_heads())[number]
    for chain in AuditChain.objects.all():
        kept = heads.get(chain.number, (0, ""))[0]
        trails._delete(AuditEvent.objects.filter(chain=chain.number, seq__gt=kept))
        trails._mend_head(chain.number)


def acknowledge(reason: str = "the disk died") -> str:
    said = io.StringIO()
    call_command("acknowledge_restore", reason=reason, stdout=said)
    return said.getvalue()


def verified() -> tuple[int, str]:
    said = io.StringIO()
    try:
        call_command("verify_audit", stdout=said, stderr=said)
    except SystemExit as exit_:
        return int(str(exit_.code)), said.getvalue()
    return 0, said.getvalue()


def test_an_acknowledged_backup_is_a_known_gap(restored, people):
    assert verified()[0] == 2
    heads, seen = dict(trails._all_heads())[1], trails._last_heads()
    acknowledge()
    code, said = verified()
    assert code == 0, said
    for chain, (last, _) in seen.items():
        first = heads.get(chain, (0, ""))[0] + 1
        if last >= first:
            assert f"Known gap: chain {chain}, events {first} to {last} were lost" in said
    assert "Nothing else was changed." in said


def test_the_trail_goes_on_after_it(restored, people, folder):
    acknowledge()
    for _ in range(3):
        happen(people, restored, 8)
        seal()
    found = check(folder)
    assert found.findings == []
    assert found.gaps


def test_it_may_be_said_after_the_desk_has_gone_on(restored, people, folder):
    """New events stand where lost ones stood, and checkpoints saw both."""
    happen(people, restored, 8)
    seal()
    happen(people, restored, 3)
    assert check(folder).findings
    acknowledge()
    assert check(folder).findings == []
    happen(people, restored, 9)
    seal()
    assert check(folder).findings == []


def test_a_restored_backup_shows_although_the_desk_went_on_and_signed(people, folder):
    trail(people, 7)
    seen = trails._last_heads()
    lift_triggers()
    restore(1)
    happen(people[:1], random.Random(1), 1)
    seal()
    found = check(folder).findings
    assert {one.kind for one in found} <= {Kind.CUT_OFF, Kind.REWRITTEN}
    assert any(one.chain in seen for one in found)


def test_the_event_says_what_is_lost_and_the_reason_can_be_erased(restored):
    acknowledge("Mr Example poured tea")
    event = AuditEvent.objects.get(action=RESTORED)
    assert json.loads(event.change)["after"]["number"] == 4
    assert "Example" not in event.change
    assert "Example" in event.detail.body


def test_a_second_restored_backup_is_found_again(restored, people, folder):
    acknowledge()
    happen(people, restored, 9)
    seal()
    numbers = [number for number, _ in trails._all_heads()]
    restore(4)
    assert check(folder).findings
    acknowledge()
    assert check(folder).findings == []
    assert len(trails._all_heads()) == len(numbers) + 1


@pytest.mark.parametrize("forge", [trails.edit, trails.insert_and_mend, trails.edit_detail])
def test_nothing_else_is_excused(restored, people, folder, forge):
    """Neither what was changed before it is said, nor what is changed later."""
    expected = forge(restored) if AuditDetail.objects.exists() else trails.edit(restored)
    with pytest.raises(CommandError, match=str(expected.kind)) as error:
        acknowledge()
    assert error.value.returncode == 2
    assert not AuditEvent.objects.filter(action=RESTORED).exists()


def test_what_was_kept_is_still_held_against_its_checkpoint(restored, people, folder):
    acknowledge()
    number, heads = trails._all_heads()[0]
    chain, (seq, _) = next(iter(heads.items()))
    trails._rewrite(AuditEvent.objects.get(chain=chain, seq=seq), key=trails.mac_key())
    assert Finding(Kind.REWRITTEN, chain, seq, number) in check(folder).findings


def test_a_tail_cut_off_later_is_found(restored, people, folder):
    acknowledge()
    happen(people, restored, 9)
    seal()
    expected = trails.delete_tail_and_mend(restored)
    assert expected.chain in {one.chain for one in check(folder).findings}


def test_a_whole_trail_has_nothing_to_state(people, folder):
    trail(people, 3)
    with pytest.raises(CommandError, match="No event is lost"):
        acknowledge()
    assert len((folder / CHECKPOINTS_FILE).read_text().splitlines()) == 3


def test_an_edited_checkpoint_is_not_talked_away(restored, folder):
    trails.edit_checkpoint(restored)
    with pytest.raises(CommandError, match="checkpoint_edited"):
        acknowledge()


def test_an_export_over_the_gap_proves_itself(restored, people, tmp_path):
    acknowledge()
    happen(people, restored, 9)
    seal()
    happen(people, restored, 9)
    seal()
    file = io.BytesIO()
    write_export(AuditEvent.objects.filter(actor_id=people[0].pk), file)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path)
    code, said = export_main(tmp_path)
    assert code == 0, said
