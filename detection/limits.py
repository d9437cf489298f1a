"""What was measured about a model, in sentences fit to stand beside its verdicts."""

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from detection.figures import percent
from detection.models import ModelVersion

POOLED = "all"


def model_limits(version: ModelVersion) -> list[str]:
    """For which error rates the cuts were chosen, and what was then measured on test images."""
    return [*_chosen_for(version.operating_point), *_measured(version.metrics)]


def _chosen_for(point: dict[str, Any]) -> list[str]:
    sentences = []
    if (rate := point.get("max_false_accusation_rate")) is not None:
        sentences.append(
            _(
                "“Likely manipulated” starts where at most %(rate)s of the real validation images"
                " were wrongly called so."
            )
            % {"rate": percent(rate)}
        )
    if (rate := point.get("max_missed_fake_rate")) is not None:
        sentences.append(
            _(
                "“Likely authentic” ends where at most %(rate)s of the fake validation images"
                " were wrongly called so."
            )
            % {"rate": percent(rate)}
        )
    return sentences


def _measured(metrics: dict[str, Any]) -> list[str]:
    pooled = metrics.get("test", {}).get(POOLED, {})
    sentences = (
        (
            "false_accusations",
            _(
                "On test images it had never seen, it wrongly called %(rate)s of %(n)s real ones"
                " manipulated (95 %% interval: %(low)s to %(high)s)."
            ),
        ),
        (
            "fakes_missed",
            _(
                "It wrongly called %(rate)s of %(n)s fake ones authentic"
                " (95 %% interval: %(low)s to %(high)s)."
            ),
        ),
        (
            "coverage",
            _(
                "It gave an answer for %(rate)s of %(n)s test images and said “cannot tell” for"
                " the others (95 %% interval: %(low)s to %(high)s)."
            ),
        ),
    )
    return [text % found for name, text in sentences if (found := _in_words(pooled.get(name)))]


def _in_words(estimate: dict[str, Any] | None) -> dict[str, str]:
    """A rate with its interval as text; empty when nothing was counted."""
    if not estimate or estimate.get("value") is None:
        return {}
    return {
        "rate": percent(estimate["value"]),
        "low": percent(estimate["low"]),
        "high": percent(estimate["high"]),
        "n": number_format(estimate["n"], force_grouping=True),
    }
