"""Cases by API, as everybody who may and may not see them, and with every key."""

import base64
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from detection.models import Case, CaseNote
from detection.services import case_notes, case_people, cases
from tests import images
from tests.detection.test_cases import EDITOR, READER, joined
from tests.factories import done_row

pytestmark = pytest.mark.django_db
API = "/api/v1/cases"
JSON = "application/json"


@pytest.fixture
def case(alice) -> Case:
    return cases.create(by=alice, title="Flood", tags=["flood"])


@pytest.fixture
def desk(key_of):
    """A client with a key of a person."""

    def client(person, *scopes: str) -> Client:
        return Client(headers={"Authorization": f"Bearer {key_of(person, *scopes)}"})

    return client


def test_a_case_is_made_read_and_listed(alice, desk):
    client = desk(alice)
    answer = client.post(API, {"title": " Storm ", "tags": ["Sea", "sea"]}, JSON)
    made = answer.json()
    assert answer.status_code == 201
    assert (made["title"], made["tags"], made["role"]) == ("Storm", ["sea"], "owner")
    assert made["people"] == [{"name": alice.email, "role": "owner"}]
    assert client.get(answer.headers["Location"]).json() == made
    assert client.get(API).json() == {"results": [made], "next": None}
    assert client.get(f"{API}?state=closed&tag=sea").json()["results"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": " "},
        {"title": 7},
        {"title": "x", "owner": 2},
        {"title": "x", "id": str(uuid.UUID(int=1))},
        {"title": "x", "closed_at": "2026-01-01T00:00:00Z"},
        {"title": "x", "people": [2]},
        {"title": "x", "created_at": "2001-01-01T00:00:00Z"},
        {"title": "x", "version": 9},
        {"title": "x", "tags": "flood"},
    ],
)
def test_what_it_does_not_take_is_refused(alice, desk, body):
    assert desk(alice).post(API, body, JSON).status_code == 400
    assert not Case.objects.exists()


def test_a_change_names_the_version_that_was_seen(case, alice, desk):
    client, address = desk(alice), f"{API}/{case.pk}"
    assert client.patch(address, {"title": "x"}, JSON).status_code == 400
    assert client.patch(address, {"title": "A", "version": 1}, JSON).json()["version"] == 2
    stale = client.patch(address, {"title": "B", "version": 1}, JSON)
    assert (stale.status_code, stale.json()["code"]) == (409, "case_changed_meanwhile")
    closed = client.patch(address, {"is_closed": True, "version": 2}, JSON).json()
    assert closed["closed_at"] is not None
    assert client.patch(address, {"title": "C", "version": 2}, JSON).json()["code"] == "case_closed"
    again = {"title": "C", "is_closed": False, "version": 2}
    assert client.patch(address, again, JSON).json()["title"] == "C"


def test_images_go_in_and_out_by_their_detections(case, alice, bob, desk, model_version):
    mine, theirs = done_row(alice, model_version), done_row(bob, model_version)
    client, address = desk(alice), f"{API}/{case.pk}/images"
    body = client.post(address, {"detections": [str(mine.pk)]}, JSON).json()
    assert (body["image_count"], body["counts"]["likely_authentic"]) == (1, 1)
    found = client.get(body["links"]["images"]).json()["results"]
    assert [one["id"] for one in found] == [str(mine.pk)]
    both = {"detections": [str(mine.pk), str(theirs.pk)]}
    assert client.post(address, both, JSON).status_code == 404
    for _ in range(2):
        assert client.delete(f"{address}/{mine.pk}").status_code == 204
    assert not case.images.exists()


def test_notes_are_written_changed_and_removed(case, alice, desk):
    client, address = desk(alice), f"{API}/{case.pk}/notes"
    made = client.post(address, {"text": "First"}, JSON)
    assert made.status_code == 201
    note = f"{address}/{made.json()['id']}"
    changed = client.patch(note, {"text": "Second", "version": 1}, JSON).json()
    assert (changed["text"], changed["version"]) == ("Second", 2)
    assert client.patch(note, {"text": "Third", "version": 1}, JSON).status_code == 409
    assert client.delete(note).status_code == 204
    listed = client.get(address).json()["results"][0]
    assert (listed["text"], bool(listed["removed_at"])) == ("", True)


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("editor", 200, 201),
        ("reader", 200, 403),
        ("former", 404, 404),
        ("stranger", 404, 404),
        ("moderator", 404, 404),
        ("admin", 404, 404),
    ],
)
def test_what_each_may(case, alice, bob, carol, dora, desk, role, reads, writes):
    note = case_notes.add_note(by=alice, case=case, text="x")
    person = {"moderator": carol, "admin": dora}.get(role, bob)
    if role in {"editor", "reader", "former"}:
        joined(case, person, READER if role == "reader" else EDITOR)
    if role == "former":
        case_people.remove_person(by=alice, case=case, person=person)
    client, address = desk(person), f"{API}/{case.pk}"
    for path in ("", "/notes"):
        assert client.get(f"{address}{path}").status_code == reads
    assert client.post(f"{address}/notes", {"text": "y"}, JSON).status_code == writes
    answers = (
        client.patch(f"{address}/notes/{note.pk}", {"text": "z", "version": 1}, JSON),
        client.delete(f"{address}/notes/{note.pk}"),
        client.patch(address, {"version": 1, "is_closed": True}, JSON),
    )
    refused = 403 if reads == 200 else 404
    assert {answer.status_code for answer in answers} == {refused}
    assert CaseNote.objects.get(pk=note.pk).latest.text == "x"
    assert client.get(f"/api/v1/detections?case={case.pk}").json()["results"] == []


def test_scopes_narrow_a_key(case, alice, desk, model_version):
    reader, writer = desk(alice, "cases:read"), desk(alice, "cases:write")
    assert reader.get(API).status_code == 200
    assert reader.post(API, {"title": "x"}, JSON).status_code == 403
    assert writer.get(API).status_code == 403
    assert writer.post(API, {"title": "x"}, JSON).status_code == 201
    assert desk(alice, "detections:read").get(API).status_code == 403


def test_images_of_a_case_are_for_keys_that_read_cases(case, alice, desk, client_of, model_version):
    row = done_row(alice, model_version)
    case.images.add(row.image)
    address = f"/api/v1/detections?case={case.pk}"
    narrow = desk(alice, "detections:read")
    assert narrow.get(address).status_code == 403
    assert narrow.get("/api/v1/detections").status_code == 200
    for allowed in (desk(alice, "detections:read", "cases:read"), client_of(alice)):
        assert [one["id"] for one in allowed.get(address).json()["results"]] == [str(row.pk)]


def _submit(client: Client, **fields: str):
    photo = SimpleUploadedFile("a.jpg", images.jpeg_bytes(), content_type="image/jpeg")
    return client.post("/api/v1/detections", {"image": photo, **fields})


def test_a_submission_names_a_case(case, alice, bob, desk, model_version):
    assert _submit(desk(alice), case=str(case.pk)).status_code == 202
    assert case.images.count() == 1
    narrow = desk(alice, "detections:write")
    assert _submit(narrow, case=str(case.pk)).status_code == 403
    assert _submit(narrow).status_code == 202
    assert _submit(desk(bob), case=str(case.pk)).json()["code"] == "case_unavailable"
    assert _submit(desk(alice), case="x").status_code == 400


def test_a_batch_goes_into_a_case(case, alice, desk, model_version):
    photos = [
        SimpleUploadedFile(f"{n}.jpg", images.jpeg_bytes(seed=n), content_type="image/jpeg")
        for n in range(3)
    ]
    form = {"images": photos, "case": str(case.pk)}
    assert desk(alice).post("/api/v1/detections/batch", form).status_code == 202
    assert case.images.count() == 3


def test_an_upload_in_pieces_names_a_case_at_its_beginning(case, alice, bob, desk):
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "1000",
        "Upload-Metadata": f"case {_base64(str(case.pk))}",
    }
    assert desk(bob).post("/api/v1/uploads", headers=headers).status_code == 422
    assert desk(alice).post("/api/v1/uploads", headers=headers).status_code == 201


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
