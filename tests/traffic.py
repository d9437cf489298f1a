"""Weeks of a newsroom's traffic, drawn in code: as counts of days, or as rows of the database."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from accounts.models import ApiKey, User
from detection.drift import SCORE_BINS
from detection.models import (
    Detection,
    Image,
    ModelVersion,
    PeriodFigures,
    ReviewItem,
    Submission,
)
from detection.services import period_figures
from detection.services.period_figures import Counts

AUTHENTIC_BELOW, MANIPULATED_FROM = 0.2, 0.9
FAILED = 0.02
QUALITIES = (92, 88, 70, 40)


def scores(generator: np.random.Generator, n: int, *, is_shifted: bool = False) -> np.ndarray:
    """Probabilities of a day: mostly sure; where shifted, two in five are of a kind not known."""
    real, fake = generator.beta(0.5, 6, n), generator.beta(6, 0.5, n)
    usual = np.where(generator.random(n) < 0.8, real, fake)
    unknown = generator.beta(2.5, 2.5, n)
    return np.where(generator.random(n) < 0.4, unknown, usual) if is_shifted else usual


def verdict_of(score: float) -> str:
    if score < AUTHENTIC_BELOW:
        return "likely_authentic"
    return "likely_manipulated" if score >= MANIPULATED_FROM else "inconclusive"


def day_counts(generator: np.random.Generator, n: int, *, is_shifted: bool = False) -> Counts:
    """What counting a day of so many images would give, of a model "m"."""
    found = scores(generator, n, is_shifted=is_shifted)
    verdicts = [verdict_of(score) for score in found]
    failed = int(generator.binomial(n, FAILED))
    outcomes = {name: verdicts.count(name) for name in set(verdicts)} | {"failed": failed}
    bins, counted = np.unique((found * SCORE_BINS).astype(int).clip(0, 99), return_counts=True)
    binned = {str(at): int(k) for at, k in zip(bins, counted, strict=True)}
    reviews = _reviews(generator)
    return {
        "outcomes": outcomes,
        "models": {"m": {"outcomes": outcomes, "scores": binned}},
        "failures": {},
        "reviews": {"all": reviews, "sample": reviews},
    }


def counted(
    model: str,
    *,
    last: date,
    weeks: int,
    per_day: int = 71,
    shifted_weeks: Sequence[int] = (),
    key: int | None = None,
    seed: int = 1,
) -> None:
    """What counting so many weeks would keep, without the rows that would be counted.

    Args:
        model: the id of the model that judged.
        key: number of the API key by which half of the requests came.
    """
    generator, days = np.random.default_rng(seed), []
    for ago in range(weeks * 7 - 1, -1, -1):
        is_shifted = weeks - ago // 7 in shifted_weeks
        counts = day_counts(generator, int(generator.poisson(per_day)), is_shifted=is_shifted)
        counts["models"] = {model: counts["models"]["m"]}
        half = {name: n // 2 for name, n in counts["outcomes"].items()}
        counts["sources"] = {"page": half} | ({f"key:{key}": half} if key else {})
        counts["formats"] = {"JPEG": per_day - 9, "PNG": 9}
        counts["compression"] = {"heavy": 5, "light": per_day - 14}
        counts["waits"] = {"detect": {"1": per_day // 2, "10": per_day // 2, "more": 1}}
        day = last - timedelta(days=ago)
        days.append(PeriodFigures(unit="day", starts_on=day, counts=counts))
    PeriodFigures.objects.bulk_create(days)
    for monday in {period_figures.monday_of(row.starts_on) for row in days}:
        period_figures.count_week(monday)


def rows(
    *,
    by: User,
    version: ModelVersion,
    last: date,
    weeks: int = 20,
    per_day: int = 71,
    shifted_weeks: Sequence[int] = (),
    key: ApiKey | None = None,
    seed: int = 1,
) -> None:
    """Fill the database: every third request comes by the key, one verdict in forty is reviewed.

    Args:
        last: the last day; the first week is numbered 1.
        shifted_weeks: numbers of the weeks with images of a kind not known.
    """
    generator = np.random.default_rng(seed)
    made: dict[type[Any], list[Any]] = {Image: [], Detection: [], Submission: [], ReviewItem: []}
    for ago in range(weeks * 7 - 1, -1, -1):
        day, week = last - timedelta(days=ago), weeks - ago // 7
        n = int(generator.poisson(per_day))
        for score in scores(generator, n, is_shifted=week in shifted_weeks):
            at = datetime.combine(day, time(), UTC) + timedelta(
                seconds=int(generator.integers(86_399))
            )
            _add(made, generator, by, version, key, at, float(score))
    for model, some in made.items():
        model.objects.bulk_create(some, batch_size=500)


def _add(
    made: dict[type[Any], list[Any]],
    generator: np.random.Generator,
    by: User,
    version: ModelVersion,
    key: ApiKey | None,
    at: datetime,
    score: float,
) -> None:
    number = len(made[Image])
    quality = int(generator.choice(QUALITIES))
    jpeg = {"quality": quality, "tables": "standard" if quality < 80 else "other"}
    image = Image(
        owner=by,
        sha256=hashlib.sha256(uuid.uuid4().bytes).hexdigest(),
        size_bytes=10_000,
        format="JPEG" if number % 5 else "PNG",
        media_type="image/jpeg",
        width=1600,
        height=1200 if number % 2 else 400,
        facts={"file": {"jpeg": jpeg}} if number % 5 else {},
        created_at=at,
    )
    is_failed = generator.random() < FAILED
    verdict = "" if is_failed else verdict_of(score)
    ended = at + timedelta(seconds=float(generator.exponential(2.0)))
    detection = Detection(
        image=image,
        model_version=version,
        status="failed" if is_failed else "done",
        verdict=verdict,
        probability=None if is_failed else score,
        failure_code="corrupt" if is_failed else "",
        created_at=at,
        queued_at=at,
        completed_at=ended,
        attempt=1,
        queue="bulk" if number % 3 == 0 else "detect",
    )
    via = {"via": "api", "api_key": key} if key and number % 3 == 0 else {"via": "page"}
    made[Image].append(image)
    made[Detection].append(detection)
    made[Submission].append(
        Submission(image=image, detection=detection, by=by, created_at=at, **via)
    )
    if verdict and number % 40 == 0:
        made[ReviewItem].append(
            ReviewItem(
                detection=detection,
                status="closed",
                outcome=_decided(generator, verdict),
                reasons=["sample" if number % 80 == 0 else "disputed"],
                created_at=at,
                closed_at=ended + timedelta(minutes=30),
            )
        )


def _decided(generator: np.random.Generator, verdict: str) -> str:
    """What a reviewer says: rarely otherwise than a detector that was sure."""
    if verdict == "inconclusive":
        return str(generator.choice(["authentic", "manipulated", "cannot_tell"]))
    usual, other = ("authentic", "manipulated")
    if verdict == "likely_manipulated":
        usual, other = other, usual
    return usual if generator.random() < 0.95 else other


def _reviews(generator: np.random.Generator) -> dict[str, int]:
    """One or two reviews a day, of which one in twenty-five decides otherwise."""
    found: dict[str, int] = {}
    for _ in range(int(generator.integers(1, 3))):
        outcome = "authentic" if generator.random() < 0.96 else "manipulated"
        name = f"{outcome}:likely_authentic"
        found[name] = found.get(name, 0) + 1
    return found
