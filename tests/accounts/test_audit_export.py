"""An export proves itself on any machine, and shows any change of it."""

import csv
import io
import itertools
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client

from accounts import audit, export_verifier
from accounts.audit_export import TooLarge, refuse_too_large, write_export
from accounts.checkpoints import CHECKPOINTS_FILE, PUBLIC_KEY_FILE, seal
from accounts.models import AuditDetail, AuditEvent, User
from accounts.models.audit_event import HASHED_COLUMNS

pytestmark = pytest.mark.django_db
CHECKED = ("events.json", "events.csv", CHECKPOINTS_FILE, PUBLIC_KEY_FILE)


def happen(times: int, *people: User, **more) -> None:
    for at in range(times):
        person = people[at % len(people)]
        with transaction.atomic():
            audit.record(
                "user.changed",
                actor=person,
                target=person,
                owner=person,
                after={"n": at},
                detail={"name": f"=n{at}"},
                **more,
            )


def exported(rows, folder: Path) -> Path:
    file = io.BytesIO()
    write_export(rows, file)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    return folder


def check(folder: Path, *options: str) -> tuple[int, str]:
    """The verifier as a stranger runs it: the script alone, without this project."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DJANGO"))}
    ran = subprocess.run(
        [sys.executable, "-I", folder / "verify.py", folder, *options],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def sealed(alice, bob) -> None:
    happen(7, alice, bob)
    seal()
    happen(4, alice, bob)
    seal()


def test_a_whole_export_holds(sealed, alice, tmp_path, data_dir):
    folder = exported(AuditEvent.objects.all(), tmp_path)
    key = (data_dir / "audit" / PUBLIC_KEY_FILE).read_text().strip()
    # the last checkpoint's own event is newer than that checkpoint
    code, said = check(folder, "--public-key", key)
    assert (code, "1 are newer than the last checkpoint" in said) == (3, True)


def test_events_of_one_person_bring_what_links_them(sealed, alice, bob, tmp_path, data_dir):
    rows = AuditEvent.objects.filter(actor_id=alice.pk, seq__in=(2, 4))
    folder = exported(rows, tmp_path)
    events = json.loads((folder / "events.json").read_text())
    assert [(e["seq"], e["matches"]) for e in events] == [(2, True), (3, False), (4, True)]
    assert [e["detail"] is None for e in events] == [False, True, False]
    assert {e["chain"] for e in events} == {audit.chain_of(alice.pk)}
    assert len((folder / CHECKPOINTS_FILE).read_text().splitlines()) == 1
    code, said = check(folder)
    assert (code, "2 events that were asked for, 1 that link them" in said) == (0, True), said
    key = (data_dir / "audit" / PUBLIC_KEY_FILE).read_text().strip()
    assert check(folder, "--public-key", key.upper())[0] == 0
    assert check(folder, "--public-key", "00" * 32)[0] == 2
    assert check(folder, "--public-key", str(folder / "public_key"))[0] == 0
    code, said = check(folder, "--public-key", str(folder / "nowhere"))
    assert (code, "neither" in said) == (1, True)


def test_any_changed_byte_is_found_and_its_file_named(sealed, alice, tmp_path):
    folder = exported(AuditEvent.objects.filter(actor_id=alice.pk), tmp_path)
    assert check(folder)[0] == 0
    generator = random.Random(4)
    for name in CHECKED:
        whole = (folder / name).read_bytes()
        for _ in range(8):
            changed = bytearray(whole)
            at = generator.randrange(len(changed))
            changed[at] = ord("7") if changed[at] != ord("7") else ord("3")
            (folder / name).write_bytes(changed)
            code, said = export_main(folder)
            # white space between JSON values means nothing, and a line's end is one of two
            if code != 2:
                assert whole[at : at + 1].isspace() or _means_the_same(name, whole, changed)
            else:
                assert "CHANGED" in said
        (folder / name).write_bytes(whole)
    assert check(folder)[0] == 0


def _means_the_same(name: str, whole: bytes, changed: bytes) -> bool:
    return name == "events.json" and json.loads(whole) == json.loads(changed)


def export_main(folder: Path) -> tuple[int, str]:
    """The verifier in this process: many runs of it."""
    said = io.StringIO()
    before = sys.argv, sys.stdout, sys.stderr
    sys.argv, sys.stdout, sys.stderr = ["verify.py", str(folder)], said, said
    try:
        return export_verifier.main(), said.getvalue()
    finally:
        sys.argv, sys.stdout, sys.stderr = before


@pytest.mark.parametrize("forgery", ["drop", "swap", "rewrite", "cut", "detail", "mark"])
def test_a_forged_export_is_found(forgery, sealed, alice, tmp_path):
    folder = exported(AuditEvent.objects.filter(actor_id=alice.pk), tmp_path)
    events = json.loads((folder / "events.json").read_text())
    if forgery == "drop":
        del events[2]
    elif forgery == "swap":
        events[1], events[2] = events[2], events[1]
    elif forgery == "rewrite":  # every hash from here on computed anew, as its author could
        events[1]["actor_role"] = "admin"
        for before, event in itertools.pairwise(events):
            event["prev_hash"] = before["hash"]
            event["hash"] = export_verifier.event_hash(event)
    elif forgery == "cut":
        del events[-1]
    elif forgery == "detail":
        events[0]["detail"]["body"] = '{"name":"another"}'
    else:
        events[0]["matches"] = not events[0]["matches"]
    (folder / "events.json").write_text(json.dumps(events))
    if forgery not in ("detail", "mark"):
        _table(folder, events)
    code, said = export_main(folder)
    # a cut end is no lie about what is left: nobody has signed for what stands there now
    assert code == (3 if forgery == "cut" else 2), said


def _table(folder: Path, events: list[dict]) -> None:
    with (folder / "events.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, export_verifier.COLUMNS)
        table.writeheader()
        table.writerows(export_verifier.csv_row(event) for event in events)


def test_erased_text_leaves_the_export_whole(sealed, alice, tmp_path):
    AuditDetail.objects.filter(event__actor_id=alice.pk).delete()
    folder = exported(AuditEvent.objects.filter(actor_id=alice.pk), tmp_path)
    assert export_main(folder)[0] == 0


def test_text_is_no_formula_in_a_spreadsheet(alice, tmp_path):
    event = dict.fromkeys(export_verifier.COLUMNS, "=1+1")
    event |= {"detail": {"salt": "", "body": "@x"}, "matches": True, "actor_id": None}
    row = export_verifier.csv_row(event)
    assert (row["action"], row["detail"], row["actor_id"]) == ("'=1+1", "'@x", "")


def test_an_export_of_nothing_is_an_empty_one(sealed, tmp_path):
    folder = exported(AuditEvent.objects.none(), tmp_path)
    assert json.loads((folder / "events.json").read_text()) == []
    assert export_main(folder)[0] == 0


def test_damaged_checkpoints_stand_for_nothing(sealed, alice, tmp_path, data_dir):
    (data_dir / "audit" / CHECKPOINTS_FILE).write_text("no checkpoint\n")
    folder = exported(AuditEvent.objects.filter(actor_id=alice.pk), tmp_path)
    assert export_main(folder)[0] == 3


def test_the_verifier_hashes_what_the_trail_hashes(sealed):
    assert set(export_verifier.HASHED) | {"at"} == set(HASHED_COLUMNS)


def test_the_page_exports_what_was_found_and_records_it(
    dora, alice, client_of: Callable[[User], Client], tmp_path
):
    happen(3, alice)
    browser = client_of(dora)
    asked = {"person": alice.email, "action": "user.changed"}
    answer = browser.post("/audit/export", asked)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="unmask-audit-')
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        archive.extractall(tmp_path)
    code, said = export_main(tmp_path)
    assert (code, "3 events that were asked for, 0 that link" in said) == (0, True), said
    event = AuditEvent.objects.get(action="audit.exported")
    assert (event.actor_id, alice.email in event.change) == (dora.pk, False)
    assert json.loads(event.detail.body)["person"] == alice.email


def test_the_page_exports_one_objects_life(dora, alice, bob, client_of, tmp_path):
    happen(2, alice, bob)
    answer = client_of(dora).post("/audit/export", {"life": f"user/{alice.pk}"})
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        events = json.loads(archive.read("events.json"))
    assert [e["target_id"] for e in events if e["matches"]] == [str(alice.pk)]


def test_an_export_goes_out_without_a_new_checkpoint(dora, alice, client_of, monkeypatch, tmp_path):
    happen(1, alice)

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("accounts.checkpoints.seal", full)
    answer = client_of(dora).post("/audit/export", {"person": alice.email})
    assert answer.status_code == 200
    answer.close()


def test_more_than_the_limit_is_refused_with_its_number(dora, alice, client_of, settings):
    happen(5, alice)
    settings.AUDIT_EXPORT_EVENTS = 4
    answer = client_of(dora).post("/audit/export", {"person": alice.email})
    assert answer.status_code == 413
    assert b"would hold 5 events; at most 4 fit one export" in answer.content
    assert not AuditEvent.objects.filter(action="audit.exported").exists()


def test_the_limit_counts_the_events_that_link(alice, settings):
    happen(5, alice)
    settings.AUDIT_EXPORT_EVENTS = 4
    with pytest.raises(TooLarge) as error:
        refuse_too_large(AuditEvent.objects.filter(seq__in=(1, 5)))
    assert error.value.events == 5
    refuse_too_large(AuditEvent.objects.filter(seq__in=(1, 4)))
