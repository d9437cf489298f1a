"""The figures of the page Monitoring as data: the API's answer, and files to take along."""

import csv
import io
from dataclasses import asdict
from datetime import datetime
from typing import Any

from detection.alert_words import alert_title
from detection.drift import Share, Stability
from detection.models import DriftAlert
from detection.models.outbox import utc
from detection.services.monitoring import OUTCOMES, Monitoring, Period, Source

SHARES = ("inconclusive", "failed", "agreement", "accusations")
COLUMNS = (
    "starts_on",
    "last_on",
    "is_partial",
    "images",
    *OUTCOMES,
    *(f"{name}{part}" for name in SHARES for part in ("", "_low", "_high", "_n")),
    "stability_index",
    "stability_by_chance",
)
NUMBER = "{:.6g}"


def monitoring_data(found: Monitoring) -> dict[str, Any]:
    """JSON; times in ISO 8601, days in UTC."""
    return {
        "unit": found.unit,
        "last_7_days": period_data(found.now, found),
        "last_4_weeks": period_data(found.reviewed, found),
        "today": period_data(found.today, found),
        "periods": [period_data(period, found) for period in found.periods],
        "scores": [{"now": now, "before": before} for now, before in found.scores],
        "sources": [_source(source) for source in found.sources],
        "kinds": {
            kind: {name: {"now": now, "before": before} for name, (now, before) in pairs.items()}
            for kind, pairs in found.kinds.items()
        },
        "half_within_s": found.half_within_s,
        "most_within_s": found.most_within_s,
        "model_changes": [
            {"on": change.on.isoformat(), "model": change.model} for change in found.changes
        ],
        "alerts": [alert_data(alert) for alert in found.alerts],
        "workers": [
            {"queue": row.queue, "last_at": _at(row.last_at), "is_silent": row.is_silent}
            for row in found.workers
        ],
        "waiting": [
            {"queue": row.queue, "count": row.count, "oldest_at": _at(row.oldest_at)}
            for row in found.waiting
        ],
    }


def period_data(period: Period, found: Monitoring) -> dict[str, Any]:
    return {
        "starts_on": period.starts_on.isoformat(),
        "last_on": period.last_on.isoformat(),
        "is_partial": period.is_partial,
        "images": period.images,
        "outcomes": period.outcomes,
        **{name: share_data(getattr(period, name)) for name in SHARES},
        "stability": _stability(period.stability),
        "models": {found.names.get(pk, pk): n for pk, n in period.models.items()},
    }


def alert_data(alert: DriftAlert) -> dict[str, Any]:
    return {
        "id": str(alert.pk),
        "rule": alert.rule,
        "title": alert_title(alert.rule),
        "figures": alert.figures,
        "raised_at": _at(alert.created_at),
        "seen_at": _at(alert.seen_at),
        "ended_at": _at(alert.ended_at),
        "acknowledged_at": _at(alert.acknowledged_at),
        "note": alert.note,
    }


def monitoring_csv(found: Monitoring) -> str:
    """One line a period, the oldest first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for period in found.periods:
        writer.writerow(_cells(period))
    return out.getvalue()


def _cells(period: Period) -> list[object]:
    shares: list[object] = []
    for name in SHARES:
        share = getattr(period, name)
        shares += [""] * 4 if share is None else [*_rounded(share), share.n]
    stability = period.stability
    return [
        period.starts_on.isoformat(),
        period.last_on.isoformat(),
        int(period.is_partial),
        period.images,
        *(period.outcomes[name] for name in OUTCOMES),
        *shares,
        *(
            (NUMBER.format(stability.index), NUMBER.format(stability.by_chance))
            if stability
            else ("", "")
        ),
    ]


def _rounded(share: Share) -> list[str]:
    return [NUMBER.format(value) for value in (share.value, share.low, share.high)]


def share_data(share: Share | None) -> dict[str, Any] | None:
    return None if share is None else asdict(share)


def _stability(stability: Stability | None) -> dict[str, Any] | None:
    return None if stability is None else asdict(stability)


def _source(source: Source) -> dict[str, Any]:
    return {
        "kind": "page" if source.is_page else "api",
        "key": source.name,
        "requests": source.requests,
        "outcomes": source.outcomes,
    }


def _at(at: datetime | None) -> str | None:
    return None if at is None else utc(at)
