"""Dates of a file: read in every spelling, and called contradictory only where they must be."""

from datetime import UTC, datetime

import pytest

from detection.file_dates import contradictions, stated_dates

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)


def kinds(**groups: dict[str, str]) -> list[str]:
    return [kind for kind, _, _ in contradictions(stated_dates(groups), RECEIVED)]


@pytest.mark.parametrize(
    "text",
    [
        "2024:05:06 07:08:09",
        "2024-05-06T07:08:09",
        "2024-05-06T07:08:09.123Z",
        "20240506 070809+0000",
        "2024-05-06T09:08:09+02:00",
        "2024:05:05 23:08:09-08:00",
    ],
)
def test_every_spelling_of_a_date_is_read(text):
    (date,) = stated_dates({"exif": {"DateTimeOriginal": text}})
    assert date.moment == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "    :  :     :  :  ", "0000:00:00 00:00:00", "soon", "9" * 50]
)
def test_what_is_no_date_is_none(text):
    assert kinds(exif={"DateTimeOriginal": text, "DateTime": "2024:05:06 07:08:09"}) == []


def test_a_day_between_dates_may_be_a_time_zone():
    exif = {"DateTimeOriginal": "2024:05:06 23:00:00"}
    assert kinds(exif=exif, iptc={"DateCreated": "20240506"}) == []
    assert kinds(exif={**exif, "GPSDateTime": "2024:05:07 13:00:00"}) == []


def test_two_dates_of_taking_that_are_days_apart_disagree():
    exif = {"DateTimeOriginal": "2024:05:06 23:00:00"}
    assert kinds(exif=exif, iptc={"DateCreated": "20200101"}) == ["taken_apart"]


def test_a_change_before_the_taking_cannot_be():
    exif = {"DateTimeOriginal": "2024:05:06 23:00:00", "DateTime": "2024:01:01 00:00:00"}
    assert kinds(exif=exif) == ["changed_before"]
    assert kinds(exif=exif, xmp={"xmp:ModifyDate": "2025-01-01"}) == []


def test_a_date_after_the_file_arrived_cannot_be():
    assert kinds(exif={"DateTimeOriginal": "2031:05:06 23:00:00"}) == ["in_future"]
