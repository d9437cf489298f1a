"""What is searched for is found, by those who may see it, page by page and counted."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from detection import history, history_search, history_sql, history_walk
from detection.history import Asked, Order
from detection.history_words import words_of
from detection.models import (
    Case,
    CaseImage,
    Detection,
    HistoryRow,
    Image,
    ModelVersion,
    Submission,
)
from detection.models.history import Door, Kind
from detection.services import custody, erasure, tags
from tests.factories import detection_row, done_row, running_row

pytestmark = pytest.mark.django_db
AUTHENTIC, MANIPULATED = Detection.Verdict.LIKELY_AUTHENTIC, Detection.Verdict.LIKELY_MANIPULATED


def named(row: Detection, name: str, via: str = "page", url: str = "") -> Detection:
    """The detection, with one request that gave it this file name."""
    Submission.objects.create(
        image=row.image,
        detection=row,
        by=row.image.owner,
        file_name=name,
        source_url=url,
        words=words_of(name, url),
        via=via,
    )
    return row


def found(by: User, **asked: Any) -> list[uuid.UUID]:
    """All that is found, through pages of two; the count says as many."""
    ids, cursor = [], ""
    while True:
        one = history.find(by, Asked(**asked), cursor=cursor, size=2)
        ids += one.ids
        if not (cursor := one.next_cursor):
            break
    assert history.count(by, Asked(**asked)) == len(ids)
    assert [row.pk for row in history.detections(by, ids)] == ids
    return ids


@pytest.fixture
def second_version(model_version: ModelVersion) -> ModelVersion:
    return ModelVersion.objects.create(
        name="other", version="2", architecture="none", artifact_sha256="b" * 64
    )


# --- the rows that the database keeps


def test_a_detection_has_its_row_in_each_state(alice, model_version):
    row = running_row(alice, model_version)
    kept = HistoryRow.objects.get(pk=row.pk)
    assert (kept.facet, kept.rank, kept.owner) == (Kind.PENDING * 8, -1, alice)
    row.complete(verdict=MANIPULATED, probability=0.9)
    kept.refresh_from_db()
    assert (kept.facet, kept.rank) == (Kind.LIKELY_MANIPULATED * 8, 0.9)


def test_a_failure_and_another_try_are_followed(alice, model_version):
    row = running_row(alice, model_version)
    row.fail("corrupt")
    assert HistoryRow.objects.get(pk=row.pk).facet == Kind.FAILED * 8
    Detection.objects.filter(pk=row.pk).update(status="queued", failure_code="")
    assert HistoryRow.objects.get(pk=row.pk).facet == Kind.PENDING * 8


def test_each_request_adds_its_door_and_its_words(alice, model_version):
    row = named(done_row(alice, model_version), "IMG_0042.JPG")
    named(row, "harbour.jpg", via="api")
    named(row, "harbour.jpg", via="api")
    kept = HistoryRow.objects.get(pk=row.pk)
    assert kept.facet % 8 == Door.BOTH * 2
    assert kept.words == "img 0042 jpg harbour jpg"


def test_hiding_an_image_is_followed(alice, model_version):
    row = named(done_row(alice, model_version), "x.jpg")
    custody.set_confidential(by=alice, image=row.image, is_confidential=True)
    assert HistoryRow.objects.get(pk=row.pk).facet == Kind.LIKELY_AUTHENTIC * 8 + 3
    custody.set_confidential(by=alice, image=row.image, is_confidential=False)
    assert HistoryRow.objects.get(pk=row.pk).facet == Kind.LIKELY_AUTHENTIC * 8 + 2


def test_an_erased_image_leaves_nothing_to_search(alice, model_version):
    row = named(done_row(alice, model_version), "secret story.jpg")
    tags.add_tag(by=alice, image=row.image, name="secret")
    erasure.erase_image(by=alice, image=row.image)
    assert not HistoryRow.objects.filter(pk=row.pk).exists()
    assert not Submission.objects.exclude(words="").exists()
    assert not row.image.image_tags.exists()
    assert found(alice) == []


# --- who sees what


def test_a_journalist_finds_their_own_and_those_of_their_cases(alice, bob, model_version):
    mine, shared = done_row(alice, model_version), done_row(bob, model_version)
    done_row(bob, model_version)
    case = Case.objects.create(owner=bob, title="harbour")
    case.people.add(alice)
    case.images.add(shared.image)
    assert found(alice) == [shared.pk, mine.pk]
    assert found(alice, owner=alice) == [mine.pk]
    assert found(alice, owner=bob) == [shared.pk]


def test_of_own_cases_only_others_images_are_gathered(alice, bob, model_version):
    """One's own are found another way; where a row does not say whose it is, they come once."""
    mine, unsaid, other = (done_row(person, model_version) for person in (alice, alice, bob))
    case = Case.objects.create(owner=alice, title="harbour")
    for row, owner in ((mine, alice), (unsaid, None), (other, bob)):
        CaseImage.objects.create(case=case, image=row.image, image_owner=owner)
    gathered = history_search._shared_with(alice).values_list("image_id", flat=True)
    assert set(gathered) == {unsaid.image_id, other.image_id}
    assert found(alice) == [other.pk, unsaid.pk, mine.pk]


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_reviewer_finds_all_but_the_confidential(alice, bob, carol, model_version, is_shared):
    rows = [done_row(person, model_version) for person in (alice, bob, carol)]
    hidden = done_row(alice, model_version)
    own = done_row(carol, model_version)
    Image.objects.filter(pk__in=[hidden.image_id, own.image_id]).update(is_confidential=True)
    if is_shared:
        case = Case.objects.create(owner=carol, title="harbour")
        case.images.add(*(row.image for row in (rows[0], hidden, own)))
    visible = {*(row.pk for row in rows), own.pk, *([hidden.pk] if is_shared else [])}
    assert set(found(carol)) == visible
    assert len(found(carol)) == len(visible)
    assert set(found(carol, owner=alice)) == {rows[0].pk, *([hidden.pk] if is_shared else [])}
    assert set(found(carol, is_confidential=True)) == visible - {row.pk for row in rows}


def test_names_of_others_are_searched_by_reviewers_only(alice, bob, carol, model_version):
    row = named(done_row(bob, model_version), "source-jane-doe.jpg")
    case = Case.objects.create(owner=bob, title="harbour")
    case.people.add(alice)
    case.images.add(row.image)
    assert found(alice, text="jane") == []
    assert found(carol, text="jane") == found(bob, text="jane") == [row.pk]
    assert found(alice, text=row.image.sha256[:12]) == [row.pk]


@pytest.mark.parametrize("order", Order.values)
def test_what_is_found_is_what_is_visible(alice, bob, carol, model_version, second_version, order):
    """The walk agrees with the plain queryset, whoever asks."""
    for n in range(24):
        person = (alice, bob, carol)[n % 3]
        version = (model_version, second_version)[n % 2]
        row = done_row(person, version, probability=n % 7 / 10)
        Image.objects.filter(pk=row.image_id).update(is_confidential=n % 4 == 0)
    by = {"newest": ("-created_at", "-id"), "oldest": ("created_at", "id")}
    fields = by.get(order, ("-probability", "-id"))
    for person in (alice, bob, carol):
        rows = Detection.objects.visible_to(person).order_by(*fields)
        assert found(person, order=order) == [row.pk for row in rows]


# --- what is asked


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("img", True),
        ("IMG_0042", True),
        ("004", False),
        ("004*", True),
        ("42*", False),
        ("h*", False),
        ("hárbour dusk", True),
        ("HARB*", True),
        ("harbour noon", False),
        ("example", True),
        ("%", False),
        ("_", False),
        ("' | 'x':*", False),
        ("صورة", True),
        ("ｈａｒｂ*", True),
        ("\\", False),
    ],
)
def test_words_are_found_whole_or_by_their_beginnings(alice, model_version, text, is_found):
    row = done_row(alice, model_version)
    named(row, "IMG_0042 Harbour at dusk صورة.jpg", url="https://example.org/a/b?c=d")
    done_row(alice, model_version)
    assert found(alice, text=text) == ([row.pk] if is_found else [])


def test_a_number_is_found_by_its_beginning(alice, bob, model_version):
    row = done_row(alice, model_version)
    for text in (row.image.sha256, row.image.sha256[:8].upper(), str(row.pk), str(row.pk)[:13]):
        assert found(alice, text=text) == [row.pk]
        assert found(bob, text=text) == []


def test_others_images_do_not_crowd_out_ones_own_by_number(
    alice, bob, carol, model_version, monkeypatch
):
    monkeypatch.setattr(history_search, "COUNTED_TO", 2)
    for n in range(3):
        Image.objects.filter(pk=done_row(bob, model_version).image_id).update(
            sha256=f"abcdef{n:058}"
        )
    row = done_row(alice, model_version)
    Image.objects.filter(pk=row.image_id).update(sha256="abcdef" + "f" * 58)
    assert found(alice, text="abcdef") == [row.pk]
    assert found(carol, text="abcdef", owner=alice) == [row.pk]


def test_a_word_that_could_be_a_number_is_both(alice, model_version):
    row = named(done_row(alice, model_version), "deadbeef.jpg")
    other = done_row(alice, model_version)
    Image.objects.filter(pk=other.image_id).update(sha256="deadbeef" + "0" * 56)
    assert set(found(alice, text="deadbeef")) == {row.pk, other.pk}


FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"kinds": frozenset({Kind.LIKELY_MANIPULATED})}, "b"),
    ({"kinds": frozenset({Kind.LIKELY_MANIPULATED, Kind.FAILED})}, "bc"),
    ({"kinds": frozenset({Kind.PENDING})}, "d"),
    ({"is_confidential": True}, "b"),
    ({"is_confidential": False}, "acd"),
    ({"door": Door.API}, "b"),
    ({"door": Door.PAGE}, "acd"),
    ({"text": "b"}, "b"),
    ({"tag": " STORY "}, "ab"),
    ({"tag": "story", "text": "b"}, "b"),
    ({"tag": "story", "kinds": frozenset({Kind.FAILED})}, ""),
    ({"tag": "nothing"}, ""),
    ({"is_impossible": True}, ""),
]


@pytest.mark.parametrize(("asked", "expected"), FILTERS)
def test_each_filter_and_their_combinations(alice, model_version, asked, expected):
    rows = {
        "a": done_row(alice, model_version),
        "b": done_row(alice, model_version, verdict=MANIPULATED, probability=0.9),
        "c": detection_row(alice, model_version, status="failed", failure_code="corrupt"),
        "d": detection_row(alice, model_version),
    }
    for name, row in rows.items():
        named(row, f"{name}.jpg", via="api" if name == "b" else "page")
    for name in "ab":
        tags.add_tag(by=alice, image=rows[name].image, name="Story")
    custody.set_confidential(by=alice, image=rows["b"].image, is_confidential=True)
    assert sorted(found(alice, **asked)) == sorted(rows[name].pk for name in expected)


def test_by_model_case_and_time(alice, model_version, second_version):
    now = timezone.now()
    old = done_row(alice, second_version, created_at=now - timedelta(days=9))
    new = done_row(alice, model_version, created_at=now)
    case = Case.objects.create(owner=alice, title="harbour")
    case.images.add(old.image)
    assert found(alice, model=second_version.pk) == [old.pk]
    assert found(alice, model=uuid.uuid4()) == []
    assert found(alice, case=case.pk) == [old.pk]
    assert found(alice, case=case.pk, model=model_version.pk) == []
    assert found(alice, since=now - timedelta(days=1)) == [new.pk]
    assert found(alice, until=now) == [old.pk]
    assert found(alice, until=now, order=Order.LIKELIEST, case=case.pk) == [old.pk]


def test_a_strangers_case_finds_nothing(alice, bob, carol, model_version):
    row = done_row(alice, model_version)
    case = Case.objects.create(owner=alice, title="harbour")
    case.images.add(row.image)
    assert found(bob, case=case.pk) == found(carol, case=case.pk) == []


# --- pages


def test_the_count_stops_where_it_says(alice, model_version):
    for _ in range(4):
        done_row(alice, model_version)
    assert history.count(alice, Asked(), up_to=2) == 3
    assert history.find(alice, Asked(), size=1, counted_to=2).total == 3


@pytest.mark.parametrize("order", Order.values)
def test_a_cursor_stays_valid_while_rows_come(alice, model_version, order):
    rows = [done_row(alice, model_version, probability=n / 10) for n in range(4)]
    asked = Asked(order=order)
    first = history.find(alice, asked, size=2)
    done_row(alice, model_version, probability=1.0)
    second = history.find(alice, asked, cursor=first.next_cursor, size=2)
    seen = [*first.ids, *second.ids]
    assert len(set(seen)) == 4
    assert {row.pk for row in rows} <= set(seen) | set()


@pytest.mark.parametrize("order", Order.values)
@pytest.mark.parametrize("cursor", ["x", "", "cA", "cDk5LjA", "\x00", "é", "cG5hbi4wMDAwMDAwMC0w"])
def test_an_unreadable_cursor_is_the_first_page(alice, model_version, order, cursor):
    row = done_row(alice, model_version)
    assert history.find(alice, Asked(order=order), cursor=cursor, size=5).ids == [row.pk]


@pytest.mark.parametrize("window", [1, 3, 100])
def test_a_frequent_word_is_found_whichever_way(alice, model_version, monkeypatch, window):
    monkeypatch.setattr(history_walk, "WINDOW", window)
    rows = [done_row(alice, model_version) for _ in range(9)][::-1]
    for n, row in enumerate(rows):
        named(row, f"img_{n}.jpg" if n % 2 else f"dsc_{n}.jpg")
    assert found(alice, text="img") == [row.pk for row in rows[1::2]]
    assert history.count(alice, Asked(text="img"), up_to=0) == 1


def test_a_search_that_takes_too_long_says_so(alice, monkeypatch):
    def slow(self: Any, *_: Any) -> int:
        endless = "SELECT 1 UNION ALL SELECT n + 1 FROM s"
        history_sql.read(f"WITH RECURSIVE s(n) AS ({endless}) SELECT count(*), 1 FROM s", [])
        return 0

    monkeypatch.setattr(history, "TIMEOUT_MS", 20)
    monkeypatch.setattr(history.Search, "count", slow)
    with pytest.raises(history.TooSlow):
        history.count(alice, Asked())
    assert User.objects.filter(pk=alice.pk).exists()
