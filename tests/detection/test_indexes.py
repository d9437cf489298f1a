"""What is asked for often, or of tables that grow, is found by an index."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from detection import history, review_waiting
from detection.history import Asked
from detection.models import (
    Case,
    CaseImage,
    CaseNote,
    Detection,
    EvidenceLayer,
    Image,
    ReviewItem,
    WebhookDelivery,
)
from detection.services import delivering, open_work, operations
from detection.services.review_figures import figures
from tests.factories import done_row
from tests.review_desk import decided, opened

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's plans"),
]


def _next_of_an_endpoint(row: Detection, owner: User) -> QuerySet:
    waiting = WebhookDelivery.objects.filter(endpoint=row.pk).waiting()
    return waiting.order_by("due_at").values_list("pk", flat=True)[:1]


def _to_be_dropped(row: Detection, owner: User) -> QuerySet:
    old = WebhookDelivery.objects.filter(ended_at__lt=Now() - delivering.KEPT_FOR)
    return old.order_by("ended_at")[:10]


def _of_any_owner(row: Detection, owner: User) -> QuerySet:
    return Image.objects.filter(sha256=row.image.sha256)


def _images_of_a_case(row: Detection, owner: User) -> QuerySet:
    return CaseImage.objects.filter(case=row.pk).newest_first()[:24]


def _notes_of_a_case(row: Detection, owner: User) -> QuerySet:
    return CaseNote.objects.filter(case=row.pk).newest_first()[:20]


def _latest(row: Detection, owner: User) -> QuerySet:
    return row.submissions.filter(by=owner).order_by("-created_at")[:1]


def _oldest_that_waits(row: Detection, owner: User) -> QuerySet:
    return Detection.objects.open_work().filter(status="queued").order_by("queued_at")[:1]


def _to_be_rung_for(row: Detection, owner: User) -> QuerySet:
    return Detection.objects.filter(queue="detect").unheard(timedelta(seconds=60))[:10]


def _out_of_attempts(row: Detection, owner: User) -> QuerySet:
    return Detection.objects.exhausted()


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (_next_of_an_endpoint, "delivery_open_by_endpoint"),
        (_to_be_dropped, "delivery_ended"),
        (_of_any_owner, "image_by_sha256"),
        (_latest, "submission_latest"),
        (_images_of_a_case, "case_images_newest_first"),
        (_notes_of_a_case, "case_notes_newest_first"),
    ],
)
def test_it_is_found_by_index_and_sorted_by_it(
    alice, model_version, asked: Callable[[Detection, User], QuerySet], index
):
    plan = asked(done_row(alice, model_version), alice).explain()
    assert f"INDEX {index} (" in plan
    assert "TEMP B-TREE" not in plan


def test_one_detection_is_found_without_listing_all_images_of_its_owner(alice, model_version):
    row = done_row(alice, model_version)
    plan = Detection.objects.visible_to(alice).filter(pk=row.pk).explain()
    assert "SEARCH detection_image USING INDEX sqlite_autoindex_detection_image_1 (id=?)" in plan
    assert "owner_id_" not in plan.replace("case_of_owner", "")


@pytest.mark.parametrize("asked", [_oldest_that_waits, _to_be_rung_for, _out_of_attempts])
def test_open_work_is_found_among_all_that_has_ended(alice, model_version, asked):
    plan = asked(done_row(alice, model_version), alice).explain()
    assert "USING INDEX detection_open_work" in plan
    assert "SCAN" not in plan


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (operations.failed_layers, "SEARCH detection_evidencelayer USING {} layer_failed"),
        (
            EvidenceLayer.objects.open_work,
            "SEARCH detection_evidencelayer USING {} layer_open_work",
        ),
        (operations.mails_given_up, "SEARCH detection_notice USING {} notice_given_up"),
        (open_work.unsent_mails, "USING {} notice_unsent"),
    ],
)
def test_counts_of_the_page_operations_read_nothing_that_is_done_with(db, asked, found):
    plan = asked().explain()
    assert found.format("INDEX") in plan.replace("COVERING ", "")


def test_what_the_originals_take_is_added_up_without_their_rows(db):
    plan = Image.objects.kept().values_list("size_bytes").explain()
    assert "USING COVERING INDEX image_sizes_kept" in plan


def test_the_queue_of_the_review_desk_is_read_from_its_most_urgent_item_on(carol):
    plan = review_waiting.find(carol, review_waiting.Asked())[:50].explain()
    assert "USING INDEX review_most_urgent_first" in plan
    assert "erased_at=?" not in plan


def test_the_items_of_a_detection_are_found_by_it_and_not_by_what_nearly_all_lack(
    alice, model_version
):
    row = done_row(alice, model_version)
    beside = ReviewItem.objects.beside_verdicts(alice).filter(detection__in=[row])
    for asked in (row.review_items.of_the_desk(), beside):
        assert "SEARCH detection_reviewitem USING INDEX detection_reviewitem_detection_id" in (
            asked.explain()
        )


def test_items_of_a_golden_image_are_found_by_it(db):
    plan = ReviewItem.objects.filter(golden=Detection().pk).explain()
    assert "USING INDEX review_of_golden" in plan


def test_what_models_said_of_reviewed_images_is_found_by_these_images(carol, alice, model_version):
    decided(opened(alice, model_version), carol)
    now = timezone.now()
    with CaptureQueriesContext(connection) as asked:
        figures(now - timedelta(days=1), now + timedelta(days=1))
    of_detections = [one["sql"] for one in asked if '"model_version_id", ' in one["sql"]]
    assert of_detections
    with connection.cursor() as cursor:
        for sql in of_detections:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert "(image_id=?)" in str(cursor.fetchall())


@pytest.mark.parametrize("is_shared", [False, True])
def test_the_history_of_a_case_is_found_by_its_images(alice, bob, model_version, is_shared):
    """And what others' images one's cases hold, not by looking through all that others sent."""
    case = Case.objects.create(owner=alice, title="flood")
    for row in (done_row(alice, model_version), done_row(bob, model_version)):
        case.images.add(row.image)
    asked = Asked() if is_shared else Asked(case=case.pk)
    with CaptureQueriesContext(connection) as asked_for:
        assert len(history.find(alice, asked, size=5, counted_to=5).ids) == 2
    gathered = [one["sql"] for one in asked_for if "count(*) OVER ()" in one["sql"]]
    assert len(gathered) == (1 if is_shared else 2)
    with connection.cursor() as cursor:
        for sql in gathered:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert "history_by_image (image_id=?)" in str(cursor.fetchall())
