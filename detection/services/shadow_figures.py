"""What a model that judged silently said beside the one that judges."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.db.models import Count, F, IntegerField, Q
from django.db.models.functions import Cast, Floor

from accounts.models import User
from detection.drift import Share, share_of
from detection.models import ModelVersion, ShadowJudgement
from detection.models.candidate import ShadowJudgementQuerySet
from detection.models.image import visibility
from detection.models.leased import Leased

BINS = 20
TIMED = 500  # latest judgements whose times are looked at
SHOWN = 50


@dataclass(frozen=True)
class ShadowFigures:
    """Both models on the same images, since the silent one began.

    Attributes:
        agreement: share of images with the same verdict; None of nothing.
        table: (the active model's verdict, the silent one's, how many).
        scores: by twentieth of the probability, (the active model's, the silent one's).
        time_ms: median of the whole judgement for both, of the latest; None of nothing.
        cpu_ms: median processor time of the silent one in its worker; the decoder's not counted.
    """

    since: datetime | None
    done: int
    waiting: int
    failed: int
    agreement: Share | None
    table: list[tuple[str, str, int]]
    scores: list[tuple[int, int]]
    time_ms: tuple[float, float] | None
    cpu_ms: float | None
    timed: int


def shadow_figures(version: ModelVersion) -> ShadowFigures:
    rows = _of_this_time(version)
    states = dict(rows.order_by().values_list("status").annotate(n=Count("pk")))
    pairs = (
        _done(rows).order_by().values_list("detection__verdict", "verdict").annotate(n=Count("pk"))
    )
    table = sorted(pairs, key=lambda row: -row[2])
    done = sum(n for _, _, n in table)
    same = sum(n for before, after, n in table if before == after)
    timed = list(
        _done(rows)
        .order_by("-created_at")
        .values_list("detection__timings_ms", "timings_ms")[:TIMED]
    )
    return ShadowFigures(
        since=version.shadowed_since,
        done=done,
        waiting=states.get(Leased.Status.QUEUED, 0) + states.get(Leased.Status.RUNNING, 0),
        failed=states.get(Leased.Status.FAILED, 0),
        agreement=share_of(same, done),
        table=table,
        scores=_scores(_done(rows)),
        time_ms=_times(timed),
        cpu_ms=_median([mine["cpu"] for _, mine in timed if "cpu" in mine]),
        timed=len(timed),
    )


def changed_verdicts(version: ModelVersion, *, by: User) -> tuple[list[ShadowJudgement], int]:
    """The latest that would be judged otherwise and that this reviewer may see; how many in all."""
    changed = _done(_of_this_time(version)).exclude(detection__verdict=F("verdict"))
    visible = changed.filter(visibility(by, "detection__image__")).select_related("detection")
    return list(visible.newest_first()[:SHOWN]), changed.count()


def _of_this_time(version: ModelVersion) -> ShadowJudgementQuerySet:
    rows = ShadowJudgement.objects.filter(version=version)
    return rows.filter(created_at__gte=version.shadowed_since) if version.shadowed_since else rows


def _done(rows: ShadowJudgementQuerySet) -> ShadowJudgementQuerySet:
    return rows.filter(status=Leased.Status.DONE)


def _scores(done: ShadowJudgementQuerySet) -> list[tuple[int, int]]:
    sides = []
    for name in ("detection__probability", "probability"):
        score_bin = Cast(Floor(F(name) * BINS), IntegerField())
        counted = done.filter(~Q(**{name: None})).order_by().annotate(bin=score_bin)
        found: Counter[int] = Counter()
        for at, n in counted.values_list("bin").annotate(n=Count("pk")):
            found[min(at, BINS - 1)] += n
        sides.append(found)
    return [(sides[0][at], sides[1][at]) for at in range(BINS)]


def _times(timed: list[tuple[dict[str, float], dict[str, float]]]) -> tuple[float, float] | None:
    before = _median([sum(one.values()) for one, _ in timed if one])
    after = _median([sum(ms for name, ms in one.items() if name != "cpu") for _, one in timed])
    return None if before is None or after is None else (before, after)


def _median(values: list[float]) -> float | None:
    return median(values) if values else None
