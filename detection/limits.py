"""What was measured about a model, in sentences fit to stand beside its verdicts."""

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from detection.figures import percent
from detection.models import ModelVersion

POOLED = "all"


# Which of them belongs beside a verdict: how often just that verdict was wrong.
BESIDE = {
    "likely_manipulated": ("false_accusations", "max_false_accusation_rate"),
    "likely_authentic": ("fakes_missed", "max_missed_fake_rate"),
    "inconclusive": ("coverage",),
}


def model_limits(version: ModelVersion) -> dict[str, str]:
    """For which error rates the cuts were chosen, and what was then measured on test images."""
    return _chosen_for(version.operating_point) | _measured(version.metrics)


def limit_beside(verdict: str, limits: dict[str, str]) -> str:
    """The one of these limits that a reader of this verdict needs first; empty without any."""
    known = (limits[name] for name in BESIDE.get(verdict, ()) if name in limits)
    return next(known, "")


def _chosen_for(point: dict[str, Any]) -> dict[str, str]:
    sentences = {
        "max_false_accusation_rate": _(
            "“Likely manipulated” starts where at most %(rate)s of the real validation images"
            " were wrongly called so."
        ),
        "max_missed_fake_rate": _(
            "“Likely authentic” ends where at most %(rate)s of the fake validation images"
            " were wrongly called so."
        ),
    }
    return {
        name: text % {"rate": percent(point[name])}
        for name, text in sentences.items()
        if point.get(name) is not None
    }


def _measured(metrics: dict[str, Any]) -> dict[str, str]:
    pooled = metrics.get("test", {}).get(POOLED, {})
    sentences = {
        "false_accusations": _(
            "On test images it had never seen, it wrongly called %(rate)s of %(n)s real ones"
            " manipulated (95 %% interval: %(low)s to %(high)s)."
        ),
        "fakes_missed": _(
            "On test images it had never seen, it wrongly called %(rate)s of %(n)s fake ones"
            " authentic (95 %% interval: %(low)s to %(high)s)."
        ),
        "coverage": _(
            "On test images it had never seen, it gave an answer for %(rate)s of %(n)s and said"
            " “cannot tell” for the others (95 %% interval: %(low)s to %(high)s)."
        ),
    }
    return {
        name: text % found
        for name, text in sentences.items()
        if (found := _in_words(pooled.get(name)))
    }


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
