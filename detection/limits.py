"""What was measured about a model, in sentences fit to stand beside its verdicts."""

from dataclasses import asdict
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from detection.expected_share import Expectation
from detection.figures import percent, share_words
from detection.models import ModelVersion
from ml.metrics import rate

POOLED = "all"

# Which of them belong beside a verdict: how often just that verdict was wrong, then among which
# images, measured or at least intended.
BESIDE = {
    "likely_manipulated": (
        ("reals_among_accused",),
        ("false_accusations", "max_false_accusation_rate"),
    ),
    "likely_authentic": (("fakes_among_cleared",), ("fakes_missed", "max_missed_fake_rate")),
    "inconclusive": (("coverage",),),
}

# A desk that few fakes reach, to show what the rates come to there.
EXAMPLE_IMAGES, EXAMPLE_FAKES = 1000, 50


def model_limits(version: ModelVersion) -> dict[str, str]:
    """For which error rates the cuts were chosen, and what was then measured on test images."""
    pooled = version.metrics.get("test", {}).get(POOLED, {})
    return _chosen_for(version.operating_point) | _measured(pooled) | _of_verdicts(pooled)


def limit_beside(verdict: str, limits: dict[str, str]) -> str:
    """Those of these limits that a reader of this verdict needs first; empty without any."""
    chosen = [
        next((limits[name] for name in names if name in limits), "")
        for names in BESIDE.get(verdict, ())
    ]
    return " ".join(filter(None, chosen))


def in_a_hundred(found: Expectation) -> str:
    """What a probability says in images, and among which images it holds."""
    fakes = round(100 * found.probability)
    count = {0: _("fewer than 1"), 100: _("more than 99")}.get(
        fakes, _("about %(number)s") % {"number": number_format(fakes)}
    )
    return _(
        "Of 100 images that score like this, %(count)s are manipulated,"
        " if %(share)s of all submitted are."
    ) % {"count": count, "share": share_words(found.fake_share)}


def share_note(found: Expectation) -> str:
    """Where the share beside a number in images comes from, and what another one would change."""
    sentence = (
        _("An administrator expects %(share)s of the images sent here to be manipulated.")
        if found.is_shifted
        else _("%(share)s of the images that this number was fitted on were manipulated.")
    )
    other = _("If fewer of those you get are, the real chance is lower; if more, higher.")
    return f"{sentence % {'share': share_words(found.fake_share)}} {other}"


def shift_note(found: Expectation | None, calibrated: str) -> str:
    """Why the number in images is not the calibrated one; empty where it is.

    Args:
        calibrated: the calibrated probability as the page shows it.
    """
    if found is None or not found.is_shifted:
        return ""
    return _(
        "The model was calibrated where %(calibrated_at)s of the images were manipulated; this"
        " desk expects %(expected)s. The verdict and the scale keep to the calibrated"
        " %(calibrated)s."
    ) % {
        "calibrated_at": share_words(found.calibration_fake_share),
        "expected": share_words(found.fake_share),
        "calibrated": calibrated,
    }


def rare_fakes(version: ModelVersion) -> dict[str, str | bool]:
    """What the measured rates come to where few images are fake; empty if nobody measured them."""
    pooled = version.metrics.get("test", {}).get(POOLED, {})
    caught = (pooled.get("fakes_caught") or {}).get("value")
    accused = (pooled.get("false_accusations") or {}).get("value")
    if caught is None or accused is None:
        return {}
    fakes = round(EXAMPLE_FAKES * caught)
    reals = round((EXAMPLE_IMAGES - EXAMPLE_FAKES) * accused)
    return {
        "version": str(version),
        "caught": percent(caught),
        "accused": percent(accused),
        "images": number_format(EXAMPLE_IMAGES, force_grouping=True),
        "fakes": number_format(EXAMPLE_FAKES),
        "fakes_accused": number_format(fakes),
        "reals_accused": number_format(reals),
        "is_mostly_wrong": reals > fakes,
    }


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


def _measured(pooled: dict[str, Any]) -> dict[str, str]:
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


def _of_verdicts(pooled: dict[str, Any]) -> dict[str, str]:
    """How many of the images that got a verdict got it wrongly, and how common such images were."""
    sentences = {
        "reals_among_accused": _(
            "Of the %(n)s test images it called manipulated, %(rate)s were real (95 %% interval:"
            " %(low)s to %(high)s), where %(share)s of all test images were real. The rarer fakes"
            " are among your images, the more of its accusations are wrong."
        ),
        "fakes_among_cleared": _(
            "Of the %(n)s test images it called authentic, %(rate)s were fake (95 %% interval:"
            " %(low)s to %(high)s), where %(share)s of all test images were fake. The more common"
            " fakes are among your images, the more of those it calls authentic are fake."
        ),
    }
    counted = {
        "reals_among_accused": _wrong_share(pooled, "false_accusations", "fakes_caught"),
        "fakes_among_cleared": _wrong_share(pooled, "fakes_missed", "reals_cleared"),
    }
    return {name: sentences[name] % found for name, found in counted.items() if found}


def _wrong_share(pooled: dict[str, Any], wrong: str, right: str) -> dict[str, str]:
    """Of the images with one verdict the share that should not have it, as text.

    Args:
        wrong, right: the rates at which images of the one and the other kind got this verdict.
    """
    of_wrong, of_right = _count(pooled.get(wrong)), _count(pooled.get(right))
    if of_wrong is None or of_right is None or not of_wrong + of_right:
        return {}
    share = pooled[wrong]["n"] / (pooled[wrong]["n"] + pooled[right]["n"])
    found = _in_words(asdict(rate(of_wrong, of_wrong + of_right)))
    return {**found, "share": percent(share)}


def _count(estimate: dict[str, Any] | None) -> int | None:
    # Rates are recorded with four digits, which give back the count of up to 10,000 images.
    if not estimate or estimate.get("value") is None:
        return None
    return round(estimate["value"] * estimate["n"])


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
