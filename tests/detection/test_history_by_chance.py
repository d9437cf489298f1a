"""Questions drawn by chance: the history finds what a plain loop over the same rows finds."""

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from detection import history_walk
from detection.history import Asked, Order, count, find
from detection.history_words import words_of
from detection.models import Detection, ModelVersion, Submission
from detection.models.history import Kind
from tests.factories import done_row

pytestmark = pytest.mark.django_db
DAYS = 400  # several periods of the index of words
WORDS = ("harbour", "harvest", "vault", "old")
VERDICTS = {
    Kind.LIKELY_AUTHENTIC: Detection.Verdict.LIKELY_AUTHENTIC,
    Kind.LIKELY_MANIPULATED: Detection.Verdict.LIKELY_MANIPULATED,
    Kind.INCONCLUSIVE: Detection.Verdict.INCONCLUSIVE,
}


@dataclass
class Made:
    pk: uuid.UUID
    at: datetime
    words: list[str]
    kind: Kind
    rank: float
    model: uuid.UUID


@pytest.fixture
def versions(model_version: ModelVersion) -> list[ModelVersion]:
    other = ModelVersion.objects.create(
        name="other", version="2", architecture="none", artifact_sha256="b" * 64
    )
    return [model_version, other]


def rows_of(owner: User, versions: list[ModelVersion], drawn: random.Random) -> list[Made]:
    """Forty rows over more than a year; `old` is a word of the older half alone."""
    made, now = [], timezone.now()
    for n in range(40):
        days = drawn.uniform(0, DAYS)
        words = [word for word in WORDS[:3] if drawn.random() < 0.4]
        words += ["old"] if days > DAYS / 2 else []
        kind, rank = drawn.choice(list(VERDICTS)), round(drawn.random(), 2)
        version = drawn.choice(versions)
        row = done_row(
            owner,
            version,
            verdict=VERDICTS[kind],
            probability=rank,
            created_at=now - timedelta(days),
        )
        name = " ".join([*words, str(n)])
        Submission.objects.create(
            image=row.image,
            detection=row,
            by=owner,
            file_name=name,
            words=words_of(name),
            via="api",
        )
        made.append(Made(row.pk, row.created_at, words, kind, rank, version.pk))
    return made


def question(drawn: random.Random, versions: list[ModelVersion]) -> Asked:
    now = timezone.now()
    first, last = sorted(drawn.uniform(0, DAYS) for _ in range(2))
    return Asked(
        text=drawn.choice(["", "harbour", "old", "vault old", "har*", "zebra"]),
        kinds=frozenset(drawn.sample(list(VERDICTS), drawn.choice([0, 0, 1, 2]))),
        model=drawn.choice([None, None, versions[1].pk]),
        since=drawn.choice([None, now - timedelta(last)]),
        until=drawn.choice([None, now - timedelta(first)]),
        order=drawn.choice(Order.values),
    )


def plainly(rows: list[Made], asked: Asked) -> list[uuid.UUID]:
    def fits(row: Made) -> bool:
        return (
            all(
                any(
                    has.startswith(word[:-1]) if word.endswith("*") else has == word
                    for has in row.words
                )
                for word in asked.text.split()
            )
            and (not asked.kinds or row.kind in asked.kinds)
            and asked.model in (None, row.model)
            and (asked.since is None or row.at >= asked.since)
            and (asked.until is None or row.at < asked.until)
        )

    is_ranked = asked.order == Order.LIKELIEST
    found = sorted(
        filter(fits, rows),
        key=lambda row: (row.rank if is_ranked else row.at, row.pk.hex),
        reverse=asked.order != Order.OLDEST,
    )
    return [row.pk for row in found]


@pytest.mark.parametrize("seed", range(4))
def test_the_history_finds_what_a_plain_loop_finds(alice, versions, monkeypatch, seed):
    drawn = random.Random(seed)
    rows = rows_of(alice, versions, drawn)
    # as small as few rows need it, so that each way of finding them is taken
    monkeypatch.setattr(history_walk, "WINDOW", 4)
    monkeypatch.setattr(history_walk, "FEW", drawn.choice([1, 3]))
    for _ in range(40):
        asked, found, cursor = question(drawn, versions), list[uuid.UUID](), ""
        while True:
            page = find(alice, asked, cursor=cursor, size=3)
            found += page.ids
            if not (cursor := page.next_cursor):
                break
        expected = plainly(rows, asked)
        assert found == expected, asked
        assert count(alice, asked) == len(expected), asked
        assert find(alice, asked, size=3, counted_to=5).total == min(len(expected), 6), asked
        assert count(alice, asked, up_to=1) == min(len(expected), 2), asked
