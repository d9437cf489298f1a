"""What a model that judged silently said, in words and as a chart."""

from collections.abc import Sequence
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from detection.figures import percent
from detection.models import ModelVersion, ShadowJudgement
from detection.monitoring_charts import scores_chart
from detection.monitoring_words import OUTCOME_TONES, outcome_words, with_interval
from detection.services.shadow_figures import ShadowFigures


def shadow_page(
    version: ModelVersion,
    found: ShadowFigures,
    changed: Sequence[ShadowJudgement],
    changed_count: int,
) -> dict[str, Any]:
    """What the template shows.

    Args:
        changed: judgements with another verdict than the detection's, as far as one may see them.
        changed_count: how many there are in all.
    """
    share, interval = with_interval(found.agreement)
    return {
        "figures": found,
        "agreement": share,
        "agreement_interval": interval,
        "pairs": [_pair(*row) for row in found.table],
        "chart": scores_chart(
            found.scores, _("Probability of being manipulated, by both models on the same images")
        )
        if found.done
        else None,
        "times": tuple(number_format(round(ms), use_l10n=True) for ms in found.time_ms or ()),
        "cpu_ms": "–" if found.cpu_ms is None else number_format(round(found.cpu_ms)),
        "changed": [_changed(row) for row in changed],
        "changed_count": number_format(changed_count, force_grouping=True),
        "unseen": changed_count - len(changed),
        "share": percent(version.shadow_share, 0),
    }


def _pair(before: str, after: str, count: int) -> dict[str, Any]:
    return {
        "before": outcome_words(before),
        "after": outcome_words(after),
        "is_same": before == after,
        "count": number_format(count, force_grouping=True),
    }


def _changed(row: ShadowJudgement) -> dict[str, Any]:
    return {
        "detection": row.detection_id,
        "at": row.detection.completed_at,
        "before": outcome_words(row.detection.verdict),
        "before_tone": OUTCOME_TONES[row.detection.verdict],
        "before_p": _probability(row.detection.probability),
        "after": outcome_words(row.verdict),
        "after_tone": OUTCOME_TONES[row.verdict],
        "after_p": _probability(row.probability),
    }


def _probability(value: float | None) -> str:
    return "–" if value is None else percent(value)
