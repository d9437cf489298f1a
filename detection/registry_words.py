"""What codes about comparing, promoting and judging again mean, in sentences for people."""

from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from detection.figures import percent

REFUSALS: dict[str, tuple[int, str | Promise]] = {
    "judges_already": (409, gettext_lazy("This model judges already.")),
    "not_compared": (
        409,
        gettext_lazy("This model was not compared with the one that judges. Compare them first."),
    ),
    "compared_with_another": (
        409,
        gettext_lazy(
            "Another model judges than the one it was compared with. Compare it with that one."
        ),
    ),
    "gate_shut": (
        409,
        gettext_lazy(
            "There were too few images to tell. Say why it should judge all the same, and tick "
            "that you have read what the gate found."
        ),
    ),
    "gate_final": (
        409,
        gettext_lazy("It was found to be worse than the active model. Nobody may promote it."),
    ),
    "accuses_elsewhere": (
        409,
        gettext_lazy(
            "Compared on other images, it accuses more real photographs beyond chance. "
            "Nobody may promote it."
        ),
    ),
    "nothing_before": (409, gettext_lazy("No other model judged before this one.")),
    "model_changed_meanwhile": (
        409,
        gettext_lazy("Somebody else changed the model in this moment. Look again."),
    ),
    "model_damaged": (
        409,
        gettext_lazy(
            "The files of this model are not what was registered, so it cannot judge. "
            "Register it again from a whole copy."
        ),
    ),
    "snapshot_unusable": (
        409,
        gettext_lazy("An image of this snapshot was removed. Freeze a new one."),
    ),
    "judged_by_newest": (
        409,
        gettext_lazy("The model that judges now has judged this image already."),
    ),
    "no_verdict_to_repeat": (
        409,
        gettext_lazy("Only what has a verdict can be judged again."),
    ),
    "nothing_to_judge_again": (
        409,
        gettext_lazy("The model that judges now has judged all of these images already."),
    ),
    "judging_again_already": (
        409,
        gettext_lazy("These images are being judged again at this moment. Wait until that ends."),
    ),
}

# Why a comparison ended without figures; beside `detection.words.FAILURES`.
FAILURES: dict[str, str | Promise] = {
    "snapshot_broken": gettext_lazy(
        "An image of the snapshot was removed, so it cannot be used any more. Freeze a new one."
    ),
    "dataset_invalid": gettext_lazy("The list of the snapshot is damaged."),
}

FIGURES: dict[str, str | Promise] = {
    "right": gettext_lazy("Right verdicts"),
    "wrong": gettext_lazy("Wrong verdicts"),
    "coverage": gettext_lazy("Given a verdict"),
    "decided_error": gettext_lazy("Wrong among the verdicts given"),
    "false_accusations": gettext_lazy("Reals accused"),
    "fakes_missed": gettext_lazy("Fakes called authentic"),
    "auc": gettext_lazy("Ranking of fakes over reals (AUC)"),
    "calibration_error": gettext_lazy("Stated probability, off on average"),
    "any_changed": gettext_lazy("Verdict changed in some copy"),
    "any_reversed": gettext_lazy("Opposite verdict in some copy"),
}
# Figures that are better the higher they are; the others are better the lower they are.
RISING = frozenset({"right", "coverage", "auc"})


def obstacle_sentence(one: Mapping[str, Any], sources: Mapping[str, Any], damages: Any) -> str:
    """One obstacle of the gate, in the reader's language.

    Args:
        sources, damages: names of sources and of kinds of damage, by their keys.
    """
    return _SENTENCES[one["code"]](one, _place(one, sources, damages))


def _place(one: Mapping[str, Any], sources: Mapping[str, Any], damages: Any) -> str:
    if source := one.get("source"):
        return str(sources.get(source, source))
    if damage := one.get("damage"):
        return str(damages.get(damage, damage))
    return str(sources["all"])


def _not_enough(one: Mapping[str, Any], place: str) -> str:
    if "needed" not in one:
        return _(
            "%(place)s: too few images to tell. The share of reals accused may be up to %(high)s"
            " higher, by the 95 %% interval of %(n)s images."
        ) % {"place": place, "high": points(one["high"]), "n": number_format(one["n"])}
    told = {"place": place, "n": number_format(one["n"]), "needed": number_format(one["needed"])}
    if one.get("figure") == "false_accusations":
        return (
            _("Too few reals to tell whether more are accused: %(n)s, and %(needed)s are needed.")
            % told
        )
    return _("%(place)s: %(n)s images are too few to tell; %(needed)s are needed.") % told


def _accuses(one: Mapping[str, Any], place: str) -> str:
    return _("%(place)s: more reals are accused, %(before)s before and %(after)s now.") % {
        "place": place,
        "before": percent(one["before"]),
        "after": percent(one["after"]),
    }


def _worse(one: Mapping[str, Any], place: str) -> str:
    sentence = _(
        "%(place)s: worse beyond its interval. %(figure)s: %(before)s before, %(after)s now."
    )
    return sentence % {
        "place": place,
        "figure": FIGURES[one["figure"]],
        "before": value(one["figure"], one["before"]),
        "after": value(one["figure"], one["after"]),
    }


def _calibrated_worse(one: Mapping[str, Any], place: str) -> str:
    return _(
        "Its probabilities hold less: they lie %(after)s from the observed share on average,"
        " %(before)s before."
    ) % {"before": value("", one["before"]), "after": value("", one["after"])}


def _golden_worse(one: Mapping[str, Any], place: str) -> str:
    return _(
        "Of %(n)s golden images it gets %(after)s wrong; the present model gets %(before)s wrong."
    ) % {name: number_format(one[name]) for name in ("n", "before", "after")}


def _golden_moved(one: Mapping[str, Any], place: str) -> str:
    return _(
        "On this machine it does not give the scores that were recorded when it was exported"
        " (%(n)s of them)."
    ) % {"n": number_format(one["n"])}


def _upside_down(one: Mapping[str, Any], place: str) -> str:
    return _(
        "It judges upside down: the higher its score, the less likely a fake. It learnt nothing."
    )


_SENTENCES = {
    "not_enough_to_tell": _not_enough,
    "more_accusations": _accuses,
    "source_worse": _worse,
    "damage_worse": _worse,
    "worse_calibrated": _calibrated_worse,
    "golden_worse": _golden_worse,
    "golden_scores_moved": _golden_moved,
    "upside_down": _upside_down,
}


def value(figure: str, number: float | None) -> str:
    """A figure as text: a share in per cent, AUC as it is; a dash for none."""
    if number is None:
        return "–"
    return number_format(round(number, 3), 3) if figure == "auc" else percent(number)


def points(size: float, sign: str = "") -> str:
    """A difference of shares, in percentage points."""
    number = f"{sign}{number_format(round(100 * size, 1), 1)}"
    return _("%(number)s points") % {"number": f"\u2066{number}\u2069"}  # left to right everywhere
