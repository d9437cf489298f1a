"""How reviewers decide and agree, and how often they and the models are right.

Right is what agrees with a golden image's known truth. A model's verdicts are also held against
what reviewers said; those of the random sample stand for all verdicts, the others were chosen
because something spoke against them.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import User
from detection.batches import batches
from detection.models import Decision, Detection, GoldenImage, ModelVersion, Outcome, ReviewItem
from detection.models.review_item import ReviewItemQuerySet
from ml.agreement import cohens_kappa
from ml.metrics import Estimate, rate

VERDICT_OF = {
    Outcome.AUTHENTIC: Detection.Verdict.LIKELY_AUTHENTIC,
    Outcome.MANIPULATED: Detection.Verdict.LIKELY_MANIPULATED,
}


class Said(NamedTuple):
    """One decision; `golden` is what was known of the image before."""

    by_id: int
    outcome: str
    created_at: datetime
    began_at: datetime | None
    golden: str | None


JUDGED = ("image_id", "model_version_id", "status", "verdict")
IMAGES_AT_ONCE = 2000
SAID = ("by_id", "outcome", "created_at", "began_at", "item__golden__outcome")


@dataclass(frozen=True)
class Score:
    """Answers held against a truth.

    Attributes:
        right: share of all answers, with Wilson's interval.
        wrong: how many said the opposite.
        unsure: how many did not say.
    """

    right: Estimate
    wrong: int
    unsure: int


@dataclass(frozen=True)
class Figures:
    """Of one reviewer, or of all.

    Attributes:
        decided: decisions that still count, golden ones included.
        median_s: between claiming and deciding; None without any.
        agreement: Cohen's kappa of first and second opinions.
        golden: on images whose truth is known.
    """

    decided: int
    median_s: float | None
    agreement: Estimate
    golden: Score


@dataclass(frozen=True)
class ModelFigures:
    """A version's verdicts on golden images, on all that was reviewed, and on the sample of it."""

    version: ModelVersion
    golden: Score
    reviewed: Score
    sampled: Score


@dataclass(frozen=True)
class DeskFigures:
    """Of a time, `until` not included; golden images measure models whenever they judged."""

    since: datetime
    until: datetime
    everybody: Figures
    people: list[tuple[User, Figures]]
    models: list[ModelFigures]


def figures(since: datetime, until: datetime) -> DeskFigures:
    """What was decided within a time; people in the order of their names."""
    rows = list(_decisions(since, until))
    pairs = list(_pairs(since, until))
    people = User.objects.in_bulk({row.by_id for row in rows})
    by_name = sorted(people.values(), key=lambda person: (person.get_full_name(), person.pk))
    return DeskFigures(
        since,
        until,
        _figures(rows, [(first.outcome, second.outcome) for first, second in pairs]),
        [(person, _of(person, rows, pairs)) for person in by_name],
        _of_models(since, until),
    )


def _decisions(since: datetime, until: datetime) -> Iterable[Said]:
    rows = Decision.objects.filter(undone_at=None, created_at__gte=since, created_at__lt=until)
    return map(Said._make, rows.values_list(*SAID))


def _pairs(since: datetime, until: datetime) -> Iterator[tuple[Said, Said]]:
    """First and second opinions on an item, of those whose second came within the time."""
    standing = Decision.objects.filter(undone_at=None)
    of_it = standing.filter(item=OuterRef("item"))
    rows = standing.filter(
        Exists(of_it.filter(created_at__gte=since)),
        Exists(of_it.exclude(pk=OuterRef("pk"))),
        item__in=ReviewItem.objects.of_the_desk(),
        created_at__lt=until,
    )
    of_item: dict[object, list[Said]] = defaultdict(list)
    for item, *said in rows.order_by("created_at").values_list("item_id", *SAID):
        of_item[item].append(Said._make(said))
    for opinions in of_item.values():
        if len(opinions) > 1 and opinions[1].created_at >= since:
            yield opinions[0], opinions[1]


def _of(person: User, rows: list[Said], pairs: list[tuple[Said, Said]]) -> Figures:
    """One reviewer's own decisions, and the pairs that one of them is of: theirs first."""
    theirs = []
    for first, second in pairs:
        if first.by_id == person.pk:
            theirs.append((first.outcome, second.outcome))
        elif second.by_id == person.pk:
            theirs.append((second.outcome, first.outcome))
    return _figures([row for row in rows if row.by_id == person.pk], theirs)


def _figures(rows: list[Said], pairs: list[tuple[str, str]]) -> Figures:
    took = [(row.created_at - row.began_at).total_seconds() for row in rows if row.began_at]
    golden = [(row.outcome, row.golden) for row in rows if row.golden]
    return Figures(
        decided=len(rows),
        median_s=median(took) if took else None,
        agreement=cohens_kappa(pairs),
        golden=_score(golden, unsure=Outcome.CANNOT_TELL),
    )


def _models() -> Iterable[ModelVersion]:
    """Those that have judged something, the newest first."""
    judged = Detection.objects.filter(model_version=OuterRef("pk"))
    return ModelVersion.objects.filter(Exists(judged)).order_by("-created_at")


def _of_models(since: datetime, until: datetime) -> list[ModelFigures]:
    golden = GoldenImage.objects.filter(retired_at=None)
    reviewed = _reviewed(since, until)
    sampled = reviewed.with_reason(ReviewItem.Reason.SAMPLE)
    on_golden = _answers(golden, "image_id")
    on_reviewed = _answers(reviewed, "detection__image_id")
    on_sampled = _answers(sampled, "detection__image_id")
    return [
        ModelFigures(
            version,
            *(
                _score(answers[version.pk], unsure=Detection.Verdict.INCONCLUSIVE)
                for answers in (on_golden, on_reviewed, on_sampled)
            ),
        )
        for version in _models()
    ]


def _reviewed(since: datetime, until: datetime) -> ReviewItemQuerySet:
    """Items closed within a time by saying what the image is, and not opened again since."""
    closed = {"closed_at__gte": since, "closed_at__lt": until, "outcome__in": [*VERDICT_OF]}
    again = ReviewItem.objects.filter(previous=OuterRef("pk"))
    return ReviewItem.objects.of_the_desk().filter(~Exists(again), **closed)


def _answers(known: QuerySet[Any], image: str) -> dict[uuid.UUID, list[tuple[str, str]]]:
    """Of each version the verdicts on images whose truth somebody said, each beside that truth.

    What is known comes first, its images' detections after it: asked in one, SQLite, which counts
    nothing beforehand, begins with all that a version ever judged.

    Args:
        known: rows with an `outcome`.
        image: the path from them to their image's key.
    """
    answers: dict[uuid.UUID, list[tuple[str, str]]] = defaultdict(list)
    for some in batches(known.order_by().values_list(image, "outcome"), IMAGES_AT_ONCE):
        truths: dict[uuid.UUID, list[str]] = defaultdict(list)
        for pk, outcome in some:
            truths[pk].append(VERDICT_OF[Outcome(outcome)])
        of_them = Detection.objects.filter(image__in=list(truths))
        for pk, version, status, verdict in of_them.values_list(*JUDGED):
            if status == Detection.Status.DONE:
                answers[version] += [(verdict, truth) for truth in truths[pk]]
    return answers


def _score(answers: list[tuple[str, str]], *, unsure: str) -> Score:
    right = sum(said == truth for said, truth in answers)
    silent = sum(said == unsure for said, _truth in answers)
    return Score(rate(right, len(answers)), len(answers) - right - silent, silent)
