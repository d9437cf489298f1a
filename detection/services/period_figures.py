"""Counts of each day and week, made by the database once so that pages need not ask for the rows.

A detection counts on the day it was received, in UTC, a review on the day it was closed. What was
judged again by another model is no traffic and counts nowhere. A day is counted anew while its
detections may still end, and is then left as it is: what is erased later was judged all the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Cast, Floor
from django.utils import timezone

from detection.drift import SCORE_BINS
from detection.models import Detection, PeriodFigures, ReviewItem, Submission

Counts = dict[str, Any]  # of counts and of further such
Unit = PeriodFigures.Unit

# Days that are counted at each pass, and those that are counted once more a day.
FRESH_DAYS, UNSETTLED_DAYS = 2, 8
AGAIN_AFTER = timedelta(hours=20)
KEPT_DAYS = 53 * 7  # further back nothing is counted by itself
BUDGET_S = 8.0
# Upper bounds in seconds of the time from being queued to the verdict; longer has none.
WAIT_BANDS_S = (1, 2, 5, 10, 30, 60, 300, 3600)
PIXEL_BANDS = (500_000, 2_000_000, 8_000_000, 24_000_000)
# JPEG quality below which compression is called heavy, and strong.
HEAVY_BELOW, STRONG_BELOW = 50, 75
SAMPLE = str(ReviewItem.Reason.SAMPLE)


def refresh(*, budget_s: float = BUDGET_S) -> int:
    """Count what may have changed, then days never counted, latest first; says how many days.

    Args:
        budget_s: begin no further day after so long; the next pass goes on.
    """
    began, weeks, counted = monotonic(), set(), 0
    for day in _due_days():
        if counted >= FRESH_DAYS and monotonic() - began > budget_s:
            break
        count_day(day)
        weeks.add(monday_of(day))
        counted += 1
    for week in weeks:
        count_week(week)
    return counted


def recount(first: date, last: date) -> int:
    """Count every day from the first to the last anew, and their weeks; says how many days."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for day in days:
        count_day(day)
    for week in sorted({monday_of(day) for day in days}):
        count_week(week)
    return len(days)


def count_day(day: date) -> Counts:
    """Count one day and keep the counts."""
    counts = _counts_of(day)
    _keep(Unit.DAY, day, counts)
    return counts


def count_week(monday: date) -> Counts:
    """Add up the days of one week that were counted."""
    days = PeriodFigures.objects.days(monday, monday + timedelta(days=6))
    counts = added_up(days.values_list("counts", flat=True))
    _keep(Unit.WEEK, monday, counts)
    return counts


def added_up(parts: Any) -> Counts:
    """The sum of counts of several periods, member by member."""
    total: Counts = {}
    for part in parts:
        _add(total, part)
    return total


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def today() -> date:
    """The day it is in UTC, which is how days are counted."""
    return timezone.now().astimezone(UTC).date()


def _due_days() -> Iterator[date]:
    """Fresh days, unsettled ones not counted for long, then those missing; latest first."""
    now, last = timezone.now(), today()
    first = Detection.objects.order_by("created_at").values_list("created_at", flat=True).first()
    oldest = max(last - timedelta(days=KEPT_DAYS), first.astimezone(UTC).date() if first else last)
    rows = PeriodFigures.objects.days(oldest, last).values_list("starts_on", "counted_at")
    counted_at = dict(rows)
    for ago in range((last - oldest).days + 1):
        day = last - timedelta(days=ago)
        at = counted_at.get(day)
        is_old = at is None or (ago < UNSETTLED_DAYS and now - at > AGAIN_AFTER)
        if ago < FRESH_DAYS or is_old:
            yield day


def _keep(unit: str, starts_on: date, counts: Counts) -> None:
    PeriodFigures.objects.update_or_create(
        unit=unit,
        starts_on=starts_on,
        defaults={"counts": counts, "counted_at": timezone.now()},
    )


def _add(total: Counts, part: Mapping[str, Any]) -> None:
    for name, value in part.items():
        if isinstance(value, dict):
            _add(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value


def _counts_of(day: date) -> Counts:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = start + timedelta(days=1)
    detections = Detection.objects.filter(
        created_at__gte=start, created_at__lt=end, judged_before=None
    ).order_by()
    closed = ReviewItem.objects.filter(closed_at__gte=start, closed_at__lt=end)
    return {
        **_outcomes(detections),
        "sources": _sources(detections),
        **_kinds(detections),
        "waits": _waits(detections),
        "reviews": _reviews(closed),
    }


def _outcomes(detections: QuerySet[Detection]) -> Counts:
    """What became of them, in all and by model, with scores by bin and failures by code."""
    score_bin = Cast(Floor(F("probability") * SCORE_BINS), IntegerField())
    groups = (
        detections.annotate(bin=score_bin)
        .values_list("model_version_id", "status", "verdict", "failure_code", "bin")
        .annotate(n=Count("pk"))
    )
    outcomes: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    by_model: Counts = {}
    for model, status, verdict, code, score, n in groups:
        outcome = verdict or (status if status == Detection.Status.FAILED else "open")
        outcomes[outcome] += n
        failures[code] += n if code else 0
        mine = {"outcomes": {outcome: n}}
        if score is not None:
            mine["scores"] = {str(min(score, SCORE_BINS - 1)): n}
        _add(by_model.setdefault(str(model), {}), mine)
    return {"outcomes": outcomes, "failures": +failures, "models": by_model}


def _sources(detections: QuerySet[Detection]) -> Counts:
    """Requests by where they came from: the pages together, each API key by its number."""
    groups = (
        Submission.objects.filter(detection__in=detections)
        .order_by()
        .values_list("api_key_id", "detection__status", "detection__verdict")
        .annotate(n=Count("pk"))
    )
    found: Counts = {}
    for key, status, verdict, n in groups:
        outcome = verdict or (status if status == Detection.Status.FAILED else "open")
        source = "page" if key is None else f"key:{key}"
        _add(found.setdefault(source, {}), {outcome: n})
    return found


def _kinds(detections: QuerySet[Detection]) -> Counts:
    """Formats, sizes, and how hard and by what the JPEGs among them were compressed."""
    pixels = Cast("image__width", BigIntegerField()) * F("image__height")
    jpeg = "image__facts__file__jpeg"
    groups = (
        detections.filter(image__erased_at=None)
        .annotate(pixels=pixels)
        .annotate(size=_banded("pixels", PIXEL_BANDS))
        .values_list("image__format", "size", f"{jpeg}__quality", f"{jpeg}__tables")
        .annotate(n=Count("pk"))
    )
    found: Counts = {"formats": {}, "pixels": {}, "compression": {}, "tables": {}}
    for kind, size, quality, tables, n in groups:
        part: Counts = {"formats": {kind: n}, "pixels": {str(size or "more"): n}}
        if quality is not None:
            part |= {"compression": {_strength(quality): n}, "tables": {tables: n}}
        _add(found, part)
    return found


def _waits(detections: QuerySet[Detection]) -> Counts:
    """Verdicts by the time they took, each queue by itself."""
    bands = [
        When(completed_at__lte=F("queued_at") + timedelta(seconds=bound), then=Value(bound))
        for bound in WAIT_BANDS_S
    ]
    groups = (
        detections.filter(status=Detection.Status.DONE)
        .annotate(band=Case(*bands, default=None, output_field=IntegerField()))
        .values_list("queue", "band")
        .annotate(n=Count("pk"))
    )
    found: Counts = {}
    for queue, band, n in groups:
        _add(found.setdefault(queue, {}), {str(band or "more"): n})
    return found


def _reviews(closed: QuerySet[ReviewItem]) -> Counts:
    """Decisions of reviewers beside verdicts; those about images drawn at random once more.

    An item that was opened again counts by its last decision alone.
    """
    later = ReviewItem.objects.filter(previous=OuterRef("pk"), status=ReviewItem.Status.CLOSED)
    rows = closed.filter(~Exists(later), status=ReviewItem.Status.CLOSED, golden=None)
    found: dict[str, Counter[str]] = {"all": Counter(), "sample": Counter()}
    for outcome, verdict, reasons in rows.values_list("outcome", "detection__verdict", "reasons"):
        if not verdict:
            continue
        found["all"][f"{outcome}:{verdict}"] += 1
        found["sample"][f"{outcome}:{verdict}"] += SAMPLE in reasons
    return {name: dict(+counter) for name, counter in found.items()}


def _banded(name: str, bounds: tuple[int, ...]) -> Case:
    """The lowest of these bounds that a column stays below; nothing above all."""
    cases = [When(**{f"{name}__lt": bound}, then=Value(bound)) for bound in bounds]
    return Case(*cases, default=None, output_field=BigIntegerField())


def _strength(quality: int) -> str:
    if quality < HEAVY_BELOW:
        return "heavy"
    return "strong" if quality < STRONG_BELOW else "light"
