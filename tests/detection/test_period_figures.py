"""Days and weeks are counted by the database, once, and anew while they may change."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import ApiKey
from detection.models import Detection, PeriodFigures, ReviewItem, Submission
from detection.services import period_figures
from tests import traffic
from tests.factories import detection_row, done_row, image_row

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 4)  # a Wednesday
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def done(alice, version, **fields):
    fields.setdefault("created_at", NOON)
    fields.setdefault("queued_at", fields["created_at"])
    fields.setdefault("completed_at", fields["created_at"] + timedelta(seconds=3))
    return done_row(alice, version, **fields)


def test_a_day_is_counted_by_outcome_and_model(alice, model_version):
    done(alice, model_version)
    done(alice, model_version, verdict="likely_manipulated", probability=0.999)
    done(alice, model_version, verdict="inconclusive", probability=1.0)
    done(alice, model_version, verdict="inconclusive", probability=None)
    failed = {"status": "failed", "failure_code": "corrupt", "completed_at": NOON}
    detection_row(alice, model_version, created_at=NOON, **failed)
    detection_row(alice, model_version, created_at=NOON)
    counts = period_figures.count_day(DAY)
    assert counts["outcomes"] == {
        "likely_authentic": 1,
        "likely_manipulated": 1,
        "inconclusive": 2,
        "failed": 1,
        "open": 1,
    }
    assert counts["failures"] == {"corrupt": 1}
    mine = counts["models"][str(model_version.pk)]
    assert mine["scores"] == {"10": 1, "99": 2}
    assert mine["outcomes"] == counts["outcomes"]


def test_a_day_begins_and_ends_at_midnight_utc(alice, model_version):
    for hours in (-12.001, -12, 11.999, 12):
        done(alice, model_version, created_at=NOON + timedelta(hours=hours))
    assert period_figures.count_day(DAY)["outcomes"] == {"likely_authentic": 2}


def test_what_is_judged_again_is_no_traffic(alice, model_version):
    first = done(alice, model_version)
    done(alice, model_version, judged_before=first)
    assert period_figures.count_day(DAY)["outcomes"] == {"likely_authentic": 1}


def test_requests_are_counted_by_source_without_any_name(alice, model_version):
    key, _ = ApiKey.objects.issue(owner=alice, name="wire", scopes=["detections:write"])
    row = done(alice, model_version)
    for via in ({"via": "page"}, {"via": "api", "api_key": key}):
        Submission.objects.create(image=row.image, detection=row, by=alice, **via)
    sources = period_figures.count_day(DAY)["sources"]
    one = {"likely_authentic": 1}
    assert sources == {"page": one, f"key:{key.pk}": one}


def test_images_are_counted_by_kind_and_compression(alice, model_version):
    jpeg = {"file": {"jpeg": {"quality": 40, "tables": "standard"}}}
    large = image_row(alice, facts=jpeg, width=9000, height=7000)
    done(alice, model_version, image=large)
    done(alice, model_version, image=image_row(alice, format="PNG", width=600, height=800))
    done(alice, model_version, image=image_row(alice, erased_at=timezone.now()))
    counts = period_figures.count_day(DAY)
    assert counts["formats"] == {"JPEG": 1, "PNG": 1}
    assert counts["pixels"] == {"more": 1, "500000": 1}
    assert counts["compression"] == {"heavy": 1}
    assert counts["tables"] == {"standard": 1}


def test_the_time_to_a_verdict_is_counted_in_bands(alice, model_version):
    for seconds in (0.5, 3, 7000):
        done(alice, model_version, completed_at=NOON + timedelta(seconds=seconds))
    done(alice, model_version, queue="bulk")
    waits = period_figures.count_day(DAY)["waits"]
    assert waits == {"detect": {"1": 1, "5": 1, "more": 1}, "bulk": {"5": 1}}


def closed(detection: Detection, outcome: str, **fields: object) -> ReviewItem:
    fields.setdefault("closed_at", NOON)
    return ReviewItem.objects.create(
        detection=detection, status="closed", outcome=outcome, **fields
    )


def test_reviews_are_counted_beside_verdicts(alice, model_version):
    accused = done(alice, model_version, verdict="likely_manipulated", probability=0.99)
    closed(accused, "authentic", reasons=["disputed"])
    closed(done(alice, model_version), "authentic", reasons=["sample"])
    reviews = period_figures.count_day(DAY)["reviews"]
    assert reviews["all"] == {
        "authentic:likely_manipulated": 1,
        "authentic:likely_authentic": 1,
    }
    assert reviews["sample"] == {"authentic:likely_authentic": 1}


def test_of_what_was_opened_again_the_last_decision_counts(alice, model_version):
    row = done(alice, model_version)
    first = closed(row, "manipulated")
    closed(row, "authentic", previous=first)
    reviews = period_figures.count_day(DAY)["reviews"]
    assert reviews["all"] == {"authentic:likely_authentic": 1}


def test_a_week_is_the_sum_of_its_days(alice, model_version):
    for days in (-3, -2, 0, 4, 5):  # Sunday before, Monday, …, Sunday, Monday after
        at = NOON + timedelta(days=days)
        done(alice, model_version, created_at=at)
        period_figures.count_day(at.date())
    counts = period_figures.count_week(period_figures.monday_of(DAY))
    assert counts["outcomes"] == {"likely_authentic": 3}
    row = PeriodFigures.objects.get(unit="week")
    assert row.starts_on == date(2026, 3, 2)


def test_counting_twice_changes_nothing(alice, model_version):
    done(alice, model_version)
    first = period_figures.count_day(DAY)
    assert period_figures.count_day(DAY) == first
    assert PeriodFigures.objects.count() == 1


# --- what is due


def test_a_new_desk_counts_today_and_nothing_else():
    assert period_figures.refresh() == 1
    assert PeriodFigures.objects.filter(unit="day").count() == 1


def test_days_never_counted_are_caught_up_with(alice, model_version):
    done(alice, model_version, created_at=timezone.now() - timedelta(days=30))
    assert period_figures.refresh() == 31
    assert period_figures.refresh() == 2  # today and yesterday alone from then on


def test_a_pass_ends_when_its_time_is_used_up(alice, model_version):
    done(alice, model_version, created_at=timezone.now() - timedelta(days=30))
    assert period_figures.refresh(budget_s=0) == 2
    assert period_figures.refresh() == 31


def test_days_that_may_still_change_are_counted_once_more_a_day(alice, model_version):
    done(alice, model_version, created_at=timezone.now() - timedelta(days=30))
    period_figures.refresh()
    PeriodFigures.objects.update(counted_at=timezone.now() - timedelta(hours=21))
    assert period_figures.refresh() == period_figures.UNSETTLED_DAYS


def test_the_command_counts_from_a_day_on(alice, model_version):
    done(alice, model_version, created_at=timezone.now())
    said = StringIO()
    since = period_figures.today() - timedelta(days=9)
    call_command("figures", "--since", since.isoformat(), stdout=said)
    assert said.getvalue().startswith("10 days counted")
    assert PeriodFigures.objects.filter(unit="day").count() == 10


def test_the_command_refuses_a_day_to_come():
    with pytest.raises(CommandError, match="has not begun"):
        call_command("figures", "--since", "2999-01-01")


def test_drawn_rows_are_counted_as_the_rules_expect(alice, model_version):
    """About 300 detections in two weeks, counted by the database and once more by hand."""
    traffic.rows(by=alice, version=model_version, last=DAY, weeks=2, per_day=22)
    period_figures.recount(DAY - timedelta(days=13), DAY)
    total = period_figures.added_up(
        PeriodFigures.objects.filter(unit="day").values_list("counts", flat=True)
    )
    rows = Detection.objects.count()
    assert rows > 200
    assert sum(total["outcomes"].values()) == rows
    assert sum(total["formats"].values()) == rows
    assert sum(total["sources"]["page"].values()) == rows
    scored = Detection.objects.exclude(probability=None).count()
    assert sum(total["models"][str(model_version.pk)]["scores"].values()) == scored
    assert sum(sum(bands.values()) for bands in total["waits"].values()) == scored
    assert sum(total["reviews"]["all"].values()) == ReviewItem.objects.count()
