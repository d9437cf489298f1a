"""A model's card for people: what was measured, on what, and what it cannot do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from detection import detector, words
from detection.expected_share import calibration_fake_share
from detection.figures import percent, share_words
from detection.limits import model_limits
from detection.models import ModelVersion

# Reasons that a version can give whatever its number, and what in its operating point says so.
VETOES = {
    "too_small": "min_side_px",
    "heavy_compression": "max_blockiness",
    "out_of_domain": "max_distance",
    "unstable": "stability_transforms",
}


@dataclass(frozen=True)
class Measured:
    """A rate as text, with its 95 % interval; a dash where nothing was counted."""

    value: str
    interval: str


@dataclass(frozen=True)
class Row:
    """What was measured on the images of one source, or after one kind of damage."""

    key: str
    name: str | Promise
    reals: str
    fakes: str
    accused: Measured
    caught: Measured
    missed: Measured
    decided: Measured


@dataclass(frozen=True)
class ModelCard:
    """Everything a page says about one version.

    Attributes:
        cuts: below which probability it says authentic and from which manipulated; may be empty.
        calibration: where its probabilities hold, in sentences.
        vetoes: what makes it say "cannot tell" whatever the number.
        measured, stated: its limits, from figures and in its makers' words.
    """

    cuts: list[tuple[str, str]]
    calibration: list[str]
    vetoes: list[str]
    measured: list[str]
    stated: list[str]
    sources: list[Row]
    damages: list[Row]
    licences: list[str]


def model_card(version: ModelVersion) -> ModelCard:
    """Put a version's recorded figures into words, in the reader's language."""
    metrics = version.metrics
    return ModelCard(
        cuts=_cuts(version.operating_point),
        calibration=_calibration(version),
        vetoes=[
            words.reason_sentence(code)
            for code, name in VETOES.items()
            if version.operating_point.get(name)
        ],
        measured=list(model_limits(version).values()),
        stated=[_(sentence) for sentence in detector.stated_limits(version)],
        sources=_rows(metrics.get("test", {}), words.SOURCES),
        damages=_rows(metrics.get("test_degraded", {}), words.DAMAGES),
        licences=version.licence_notes.splitlines(),
    )


def _cuts(point: Mapping[str, Any]) -> list[tuple[str, str]]:
    low, high = point.get("authentic_below"), point.get("manipulated_from")
    if low is None or high is None:
        return []
    return [
        (_("Likely authentic"), _("below %(cut)s") % {"cut": percent(low)}),
        (_("Likely manipulated"), _("from %(cut)s") % {"cut": percent(high)}),
    ]


def _calibration(version: ModelVersion) -> list[str]:
    share = calibration_fake_share(version)
    if share is None:
        return []
    n = version.metrics["calibration"].get("n")
    sentences = [
        _(
            "Its probabilities were fitted on %(n)s images, of which %(share)s were manipulated."
            " They hold where that share is about the same."
        )
        % {"n": number_format(n or 0, force_grouping=True), "share": share_words(share)}
    ]
    pooled = version.metrics.get("test", {}).get("all", {})
    if (gap := pooled.get("calibration_error")) is not None:
        sentences.append(
            _(
                "On %(n)s test images, the stated probability and the observed share of"
                " manipulated ones lay %(gap)s apart on average."
            )
            % {"n": number_format(pooled["n"], force_grouping=True), "gap": percent(gap)}
        )
    return sentences


def _rows(report: Mapping[str, Any], names: Mapping[str, str | Promise]) -> list[Row]:
    return [_row(key, names.get(key, key), found) for key, found in report.items()]


def _row(key: str, name: str | Promise, found: Mapping[str, Any]) -> Row:
    accused, caught = found.get("false_accusations"), found.get("fakes_caught")
    return Row(
        key=key,
        name=name,
        reals=_count(accused),
        fakes=_count(caught),
        accused=measured(accused),
        caught=measured(caught),
        missed=measured(found.get("fakes_missed")),
        decided=measured(found.get("coverage")),
    )


def _count(rate: Mapping[str, Any] | None) -> str:
    return number_format((rate or {}).get("n") or 0, force_grouping=True)


def measured(rate: Mapping[str, Any] | None) -> Measured:
    """A recorded rate as text; a dash where nothing was counted."""
    if not rate or rate.get("value") is None:
        return Measured("–", "")
    low, high = (number_format(round(100 * rate[end], 1), 1) for end in ("low", "high"))
    return Measured(percent(rate["value"]), f"{low}–{high}")
