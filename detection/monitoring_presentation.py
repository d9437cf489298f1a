"""The page Monitoring in words: what was received, what became of it, what is wrong."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from detection.alert_words import alert_title, alert_words, queue_words
from detection.drift import share_of
from detection.figures import share_words
from detection.models import DriftAlert
from detection.monitoring_charts import charts_of
from detection.monitoring_words import (
    KINDS,
    OUTCOME_TONES,
    kind_words,
    outcome_words,
    seconds_words,
    with_interval,
)
from detection.services.monitoring import OUTCOMES, Monitoring, Period

ENDED = [outcome for outcome in OUTCOMES if outcome != "open"]


@dataclass(frozen=True)
class Tile:
    """One figure that stands large at the head of the page."""

    name: str
    figure: str
    detail: str


@dataclass(frozen=True)
class Part:
    """One outcome in the bar of all: where it lies, in percent of its length."""

    name: str
    tone: str
    count: str
    share: str
    start: str
    width: str


@dataclass(frozen=True)
class ShownAlert:
    row: DriftAlert
    title: str
    words: str


@dataclass(frozen=True)
class ShownWorker:
    name: str
    last_at: datetime | None
    state: str


def page_of(found: Monitoring) -> dict[str, Any]:
    """What the template shows."""
    return {
        "found": found,
        "tiles": _tiles(found),
        "parts": _parts(found.now),
        "alerts": [_shown(alert) for alert in found.alerts],
        "ended_alerts": [_shown(alert) for alert in found.ended_alerts],
        "charts": charts_of(found),
        "legend": [(outcome_words(name), OUTCOME_TONES[name]) for name in OUTCOMES],
        "rows": [_row(period) for period in reversed(found.periods)],
        "columns": [outcome_words(name) for name in OUTCOMES],
        "sources": [_source_row(found, index) for index in range(len(found.sources))],
        "kinds": _kinds(found),
        "workers": _workers(found),
        "waiting": [
            (queue_words(row.queue), number_format(row.count, force_grouping=True), row.oldest_at)
            for row in found.waiting
        ],
    }


def _tiles(found: Monitoring) -> list[Tile]:
    inconclusive, interval = with_interval(found.now.inconclusive)
    agreement, reviewed = with_interval(found.reviewed.agreement)
    accused, cleared = with_interval(found.reviewed.accusations)
    return [
        Tile(
            _("Images"),
            number_format(found.now.images, force_grouping=True),
            _("%(before)s in the 7 days before, %(today)s today so far")
            % {
                "before": number_format(found.before.images, force_grouping=True),
                "today": number_format(found.today.images, force_grouping=True),
            },
        ),
        Tile(_("Cannot tell"), inconclusive, interval or _("no verdicts")),
        Tile(
            _("Reviews that agree"),
            agreement,
            ", ".join((reviewed, _("4 weeks"))) if reviewed else _("no reviews in 4 weeks"),
        ),
        Tile(
            _("Authentic, and called manipulated"),
            accused,
            ", ".join((cleared, _("4 weeks"))) if cleared else _("no reviews in 4 weeks"),
        ),
        Tile(
            _("Half of the verdicts within"),
            seconds_words(found.half_within_s),
            _("9 in 10 within %(time)s") % {"time": seconds_words(found.most_within_s)},
        ),
    ]


def _parts(period: Period) -> list[Part]:
    parts, start = [], 0.0
    for name in OUTCOMES:
        count = period.outcomes[name]
        if count:
            share = count / period.images
            parts.append(
                Part(
                    outcome_words(name),
                    OUTCOME_TONES[name],
                    number_format(count, force_grouping=True),
                    share_words(share),
                    f"{100 * start:.3f}",
                    f"{100 * share:.3f}",
                )
            )
            start += share
    return parts


def _shown(alert: DriftAlert) -> ShownAlert:
    return ShownAlert(alert, alert_title(alert.rule), alert_words(alert.rule, alert.figures))


def _row(period: Period) -> dict[str, Any]:
    stability = period.stability
    return {
        "period": period,
        "images": number_format(period.images, force_grouping=True),
        "outcomes": [
            number_format(period.outcomes[name], force_grouping=True) for name in OUTCOMES
        ],
        "inconclusive": with_interval(period.inconclusive),
        "stability": number_format(stability.index, 2) if stability else _("too few to tell"),
        "agreement": with_interval(period.agreement),
    }


def _source_row(found: Monitoring, index: int) -> dict[str, Any]:
    source = found.sources[index]
    name = _("Pages") if source.is_page else source.name or _("API keys")
    ended = sum(source.outcomes[outcome] for outcome in ENDED)
    return {
        "name": name,
        "requests": number_format(source.requests, force_grouping=True),
        "shares": [with_interval(share_of(source.outcomes[outcome], ended)) for outcome in ENDED],
    }


def _kinds(found: Monitoring) -> list[dict[str, Any]]:
    tables = []
    for kind, pairs in found.kinds.items():
        totals = [sum(pair[side] for pair in pairs.values()) for side in (0, 1)]
        rows = [
            (
                kind_words(kind, name),
                *(
                    share_words(pair[side] / totals[side]) if totals[side] else "–"
                    for side in (0, 1)
                ),
            )
            for name, pair in pairs.items()
        ]
        if rows:
            tables.append({"name": KINDS[kind], "rows": rows})
    return tables


def _workers(found: Monitoring) -> list[ShownWorker]:
    shown = []
    for worker in found.workers:
        state = _("gives no sign") if worker.is_silent else _("works")
        if worker.last_at is None:
            state = _("not heard yet")
        shown.append(ShownWorker(queue_words(worker.queue), worker.last_at, state))
    return shown


def wrong_words(count: int) -> str:
    """How many things are wrong, at the head of the page."""
    return ngettext("%(count)s thing is wrong", "%(count)s things are wrong", count) % {
        "count": number_format(count)
    }
