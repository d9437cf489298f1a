"""Keyset pages: every row once, in order, whatever happens between two pages."""

import base64
from datetime import timedelta

import pytest
from django.utils import timezone

from detection.models import Detection
from detection.paging import page
from tests.factories import detection_row

pytestmark = pytest.mark.django_db


def _pages(size: int) -> list[list[Detection]]:
    pages, cursor = [], ""
    while True:
        found = page(Detection.objects.all(), cursor=cursor, size=size)
        pages.append(found.rows)
        if not (cursor := found.next_cursor):
            return pages


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 11])
def test_every_row_comes_once_newest_first(alice, model_version, count):
    now = timezone.now()
    rows = [
        detection_row(alice, model_version, created_at=now - timedelta(microseconds=n))
        for n in range(count)
    ]
    pages = _pages(5)
    assert [row for rows_ in pages for row in rows_] == rows
    assert len(pages) == max(1, -(-count // 5))


def test_rows_of_the_same_instant_come_once(alice, model_version):
    now = timezone.now()
    rows = {detection_row(alice, model_version, created_at=now) for _ in range(7)}
    seen = [row for rows_ in _pages(3) for row in rows_]
    assert (len(seen), set(seen)) == (7, rows)


def test_what_arrives_meanwhile_moves_nothing(alice, model_version):
    rows = [detection_row(alice, model_version) for _ in range(4)]
    first = page(Detection.objects.all(), cursor="", size=2)
    detection_row(alice, model_version)
    second = page(Detection.objects.all(), cursor=first.next_cursor, size=2)
    assert [*first.rows, *second.rows] == rows[::-1]


@pytest.mark.parametrize(
    "text",
    ["x", "1", ".", "1.2", "9" * 30 + ".00000000-0000-4000-8000-000000000000", "\x00", "٣.x"],
)
def test_an_unreadable_cursor_is_the_first_page(alice, model_version, text):
    row = detection_row(alice, model_version)
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    for tried in (text, cursor, cursor.rstrip("=")):
        assert page(Detection.objects.all(), cursor=tried, size=5).rows == [row]


@pytest.mark.parametrize("microseconds", [0, -1, 10**17, -(10**16) * 6, 253402300799999999])
def test_a_forged_cursor_is_harmless(alice, model_version, microseconds):
    detection_row(alice, model_version)
    text = f"{microseconds}.00000000-0000-4000-8000-000000000000"
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    assert len(page(Detection.objects.all(), cursor=cursor, size=5).rows) in {0, 1}
