"""The review desk through the API: who may, what is shown, and what is kept from whom."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client

from detection.api import reviews
from detection.models import Decision, Detection, IdempotencyKey, ResumableUpload, ReviewItem
from detection.services import review, review_golden
from detection.services.review_rules import set_rules
from tests import images
from tests.factories import detection_row, done_row, image_row
from tests.review_desk import decided, disputed, opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict", "model_version")
API = "/api/v1/reviews"
AUTHENTIC = {"outcome": "authentic", "reason": "original_found", "note": "I have it."}


@pytest.fixture
def client_with_key(key_of):
    def with_key(person, *scopes) -> Client:
        return Client(headers={"Authorization": f"Bearer {key_of(person, *scopes)}"})

    return with_key


@pytest.fixture
def desk(client_with_key, carol) -> Client:
    """A moderator's key."""
    return client_with_key(carol, "reviews:write")


def jpeg_upload(seed: int = 0) -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", images.jpeg_bytes(seed=seed), "image/jpeg")


def post(client, address, body=None, **headers):
    return client.post(address, body or {}, content_type="application/json", headers=headers)


# --- who may


def test_journalists_are_kept_out_and_learn_nothing(client_with_key, alice, model_version):
    item, client = opened(alice, model_version), client_with_key(alice)
    for address in (API, f"{API}/{item.pk}", f"{API}/{image_row(alice).pk}"):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert post(client, f"{API}/next").status_code == 403


def test_a_key_needs_the_scope(client_with_key, carol):
    assert client_with_key(carol, "detections:write", "detections:read").get(API).status_code == 403


def test_a_confidential_item_is_not_found(desk, alice, model_version):
    item = opened(alice, model_version)
    type(item.detection.image).objects.update(is_confidential=True)
    assert desk.get(f"{API}/{item.pk}").status_code == 404
    assert desk.get(API).json()["results"] == []


# --- an item's whole way


def test_the_next_one_is_claimed_and_decided(desk, alice, carol, model_version):
    item = opened(alice, model_version)
    disputed(item.detection, alice)
    found = post(desk, f"{API}/next").json()
    assert found["id"] == str(item.pk)
    assert found["claim"]["is_mine"]
    assert found["claims"][0]["category"] == "false_positive"
    assert (found["status"], found["outcome"], found["decisions"]) == ("open", None, [])
    answer = post(desk, f"{API}/{item.pk}/decisions", AUTHENTIC)
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in AUTHENTIC} == AUTHENTIC
    assert Decision.objects.get().api_key.owner == carol
    closed = desk.get(f"{API}/{item.pk}").json()
    assert (closed["status"], closed["outcome"], closed["claim"]) == ("closed", "authentic", None)
    assert [row["id"] for row in closed["decisions"]] == [answer.json()["id"]]
    assert post(desk, f"{API}/next").status_code == 204


def test_a_decision_sent_twice_with_its_key_counts_once(desk, alice, carol, model_version):
    item = opened(alice, model_version)
    post(desk, f"{API}/{item.pk}/claim")
    address, key = f"{API}/{item.pk}/decisions", {"Idempotency-Key": "d-1"}
    first, second = (post(desk, address, AUTHENTIC, **key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert IdempotencyKey.objects.get().detection == item.detection


def test_what_another_holds_is_refused_plainly(desk, client_with_key, alice, erin, model_version):
    item = opened(alice, model_version)
    other = client_with_key(erin)
    post(other, f"{API}/{item.pk}/claim")
    for address, body in (("claim", {}), ("skip", {}), ("decisions", AUTHENTIC)):
        answer = post(desk, f"{API}/{item.pk}/{address}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "review_claimed")
    assert desk.get(f"{API}/{item.pk}").json()["claim"]["is_mine"] is False
    assert post(other, f"{API}/{item.pk}/release").json()["claim"] is None


def test_skip_escalate_undo_and_reopen(desk, client_with_key, alice, erin, model_version):
    item, other = opened(alice, model_version), client_with_key(erin)
    skipped = post(desk, f"{API}/{item.pk}/skip").json()
    assert skipped["claim"] is None
    note = {"note": "Look at the ear."}
    escalated = post(desk, f"{API}/{item.pk}/escalate", note).json()
    assert escalated["is_escalated"]
    assert escalated["escalations"][0]["note"] == "Look at the ear."
    assert post(desk, f"{API}/next").status_code == 204
    assert post(other, f"{API}/next").json()["id"] == str(item.pk)
    ReviewItem.objects.update(opinions_wanted=1)
    decision = post(other, f"{API}/{item.pk}/decisions", AUTHENTIC).json()
    undo = f"{API}/{item.pk}/decisions/{decision['id']}/undo"
    assert post(desk, undo).json()["code"] == "decision_not_yours"
    assert post(other, undo).json()["claim"]["is_mine"]
    assert post(other, undo).json()["code"] == "decision_not_standing"
    post(other, f"{API}/{item.pk}/decisions", AUTHENTIC)
    again = post(desk, f"{API}/{item.pk}/reopen", {"note": "The original turned up."})
    assert again.status_code == 201
    assert (again.json()["previous"], again.json()["reasons"]) == (str(item.pk), ["reopened"])
    assert again["Location"].endswith(again.json()["id"])


def test_the_second_opinion_hears_nothing_of_the_first(
    desk, client_with_key, alice, carol, erin, model_version
):
    item = opened(alice, model_version)
    ReviewItem.objects.update(opinions_wanted=2)
    decision = decided(item, carol, note="planted marker", reason="maker_confirmed")
    other = client_with_key(erin)
    answers = [
        post(other, f"{API}/next"),
        other.get(f"{API}/{item.pk}"),
        other.get(API),
        other.get(f"/api/v1/detections/{item.detection_id}"),
    ]
    for answer in answers:
        text = answer.content.decode()
        assert "planted marker" not in text
        assert "maker_confirmed" not in text
        assert str(decision.pk) not in text
        assert "carol" not in text
    assert post(other, f"{API}/{item.pk}/decisions/{decision.pk}/undo").status_code == 404
    assert len(desk.get(f"{API}/{item.pk}").json()["decisions"]) == 1
    decided(item, erin)
    assert len(other.get(f"{API}/{item.pk}").json()["decisions"]) == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "outcome"),
        ({**AUTHENTIC, "outcome": "fake"}, "outcome"),
        ({**AUTHENTIC, "reason": "because"}, "reason"),
        ({**AUTHENTIC, "note": "x" * 2001}, "note"),
        ({**AUTHENTIC, "note": "\x00"}, "note"),
        ({**AUTHENTIC, "label": "real"}, "label"),
    ],
)
def test_what_it_does_not_know_is_named(desk, alice, model_version, body, field):
    item = opened(alice, model_version)
    post(desk, f"{API}/{item.pk}/claim")
    answer = post(desk, f"{API}/{item.pk}/decisions", body)
    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert not Decision.objects.exists()


# --- lists


def test_open_ones_come_most_urgent_first_page_by_page(desk, alice, model_version, monkeypatch):
    monkeypatch.setattr(reviews, "PAGE_SIZE", 2)
    kinds = ["sample", "disputed", "inconclusive", "disputed", "disagreement"]
    items = [opened(alice, model_version, kind) for kind in kinds]
    seen, cursor = [], ""
    while cursor is not None:
        page = desk.get(API, {"cursor": cursor} if cursor else {}).json()
        assert len(page["results"]) <= 2
        seen += [row["id"] for row in page["results"]]
        cursor = page["next"]
    assert seen == [str(items[number].pk) for number in (1, 3, 4, 2, 0)]


def test_closed_ones_come_latest_first_page_by_page(desk, alice, carol, model_version, monkeypatch):
    monkeypatch.setattr(reviews, "PAGE_SIZE", 2)
    items = [opened(alice, model_version) for _ in range(3)]
    for item in items:
        decided(item, carol)
    first = desk.get(API, {"status": "closed"}).json()
    rest = desk.get(API, {"status": "closed", "cursor": first["next"]}).json()
    seen = [row["id"] for row in first["results"] + rest["results"]]
    assert seen == [str(item.pk) for item in reversed(items)]
    assert rest["next"] is None
    wrong = desk.get(API, {"cursor": first["next"]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "cursor_of_other_order")


def test_the_list_is_filtered(desk, alice, carol, erin, model_version):
    rows = {kind: opened(alice, model_version, kind) for kind in ("sample", "flagged")}
    with transaction.atomic():
        review.open_item(rows["sample"].detection, "disputed")
    post(desk, f"{API}/{rows['flagged'].pk}/claim")
    decided(opened(alice, model_version), erin)
    mine = decided(opened(alice, model_version), carol).item

    def found(**params) -> list[str]:
        return [row["id"] for row in desk.get(API, params).json()["results"]]

    assert found(reason="sample") == [str(rows["sample"].pk)]
    assert found(reason="disputed") == [str(rows["sample"].pk)]
    assert found(mine="true") == [str(rows["flagged"].pk)]
    assert found(status="closed", mine="true") == [str(mine.pk)]
    for wrong in ({"status": "done"}, {"reason": "x"}, {"mine": "perhaps"}, {"cursor": "x"}):
        assert desk.get(API, wrong).status_code == 400


def test_a_longer_list_asks_the_database_no_more(
    desk, alice, carol, model_version, django_assert_max_num_queries
):
    def asked() -> int:
        with django_assert_max_num_queries(100) as queries:
            assert desk.get(API).status_code == 200
        return len(queries)

    disputed(opened(alice, model_version).detection, alice)
    asked()  # the first use of a key is recorded
    few = asked()
    for _ in range(5):
        disputed(opened(alice, model_version).detection, alice)
    assert asked() == few


# --- beside a verdict


def test_a_detection_says_how_far_its_review_is(client_with_key, alice, carol, model_version):
    owner = client_with_key(alice)
    row = done_row(alice, model_version)
    address = f"/api/v1/detections/{row.pk}"
    assert owner.get(address).json()["review"] is None
    with transaction.atomic():
        item = review.open_item(row, "disputed")
    still = {"status": "open", "outcome": None, "decided_at": None, "reasons": ["disputed"]}
    assert owner.get(address).json()["review"] == still
    decided(item, carol, "manipulated")
    answer = owner.get(address)
    assert answer.json()["review"]["outcome"] == "manipulated"
    assert answer.json()["verdict"] == "likely_authentic"
    assert "carol" not in answer.content.decode()
    with transaction.atomic():
        review.open_item(row, "disputed")
    now = owner.get("/api/v1/detections").json()["results"][0]["review"]
    assert (now["status"], now["outcome"]) == ("open", "manipulated")
    ReviewItem.objects.filter(status="open").delete()
    review.reopen(item=item, by=carol)
    now = owner.get(address).json()["review"]
    assert (now["status"], now["outcome"], now["decided_at"]) == ("open", None, None)


def test_a_golden_item_looks_like_others_to_its_reviewer_alone(
    desk, client_with_key, alice, carol, dora, erin, model_version, monkeypatch
):
    golden = review_golden.add(
        by=dora, detection=done_row(alice, model_version), outcome="manipulated"
    )
    opened(alice, model_version, "flagged")
    set_rules(by=carol, golden_share=0.5)
    monkeypatch.setattr(review_golden._chance, "random", lambda: 0.0)
    found = post(desk, f"{API}/next")
    assert "golden" not in found.content.decode()
    detection = Detection.objects.get(image=golden.image)
    assert found.json()["detection"] == str(detection.pk)
    address = f"/api/v1/detections/{detection.pk}"
    reader = client_with_key(carol, "detections:read")
    assert reader.get(address).json()["review"]["status"] == "open"
    assert client_with_key(alice).get(address).json()["review"] is None
    post(desk, f"{API}/{found.json()['id']}/decisions", AUTHENTIC)
    assert reader.get(address).json()["review"]["outcome"] == "authentic"
    assert client_with_key(alice).get(address).json()["review"] is None
    assert client_with_key(erin).get(f"{API}/{found.json()['id']}").status_code == 404


def test_whoever_sees_a_detection_brings_it_to_the_desk(client_with_key, alice, bob, model_version):
    row = done_row(alice, model_version)
    owner, address = client_with_key(alice), f"/api/v1/detections/{row.pk}/review"
    for _ in range(2):
        answer = post(owner, address)
        assert (answer.status_code, answer.json()["review"]["reasons"]) == (202, ["flagged"])
    assert ReviewItem.objects.count() == 1
    assert post(client_with_key(bob), address).status_code == 404
    assert post(client_with_key(alice, "detections:read"), address).status_code == 403
    early = detection_row(alice, model_version)
    answer = post(owner, f"/api/v1/detections/{early.pk}/review")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_verdict_to_review")


@pytest.mark.parametrize("word", ["true", "1"])
def test_a_request_may_want_a_person(client_with_key, alice, word):
    client = client_with_key(alice)
    answer = client.post("/api/v1/detections", {"image": jpeg_upload(), "review": word})
    assert answer.status_code == 202
    assert Detection.objects.get().submissions.get().wants_review
    batch = {"images": [jpeg_upload(seed=1), jpeg_upload(seed=2)], "review": word}
    assert client.post("/api/v1/detections/batch", batch).status_code == 202
    assert Detection.objects.filter(submissions__wants_review=True).count() == 3


def test_nobody_reviews_what_is_confidential(client_with_key, alice):
    form = {"image": jpeg_upload(), "review": "true", "is_confidential": "true"}
    answer = client_with_key(alice).post("/api/v1/detections", form)
    assert (answer.status_code, answer.json()["code"]) == (409, "confidential_not_reviewed")
    assert not Detection.objects.exists()


def test_an_upload_in_pieces_may_want_a_person(client_with_key, alice):
    words = "review dHJ1ZQ=="  # "true" in Base64
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": words}
    client = client_with_key(alice)
    answer = client.post("/api/v1/uploads", headers=headers)
    assert answer.status_code == 201
    said = client.head(answer["Location"], headers={"Tus-Resumable": "1.0.0"})
    assert "review dHJ1ZQ==" in said["Upload-Metadata"]
    assert ResumableUpload.objects.get().fields["wants_review"] is True
