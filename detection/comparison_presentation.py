"""A comparison of two models as a page shows it: both figures, the difference, and in words."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from detection import words
from detection.models import Comparison, Detection
from detection.presentation import TONES
from detection.registry_words import FAILURES, FIGURES, RISING, obstacle_sentence, points, value
from detection.services import registry

# Half the width of the plots, in shares, at the least: a difference of 0.1 fills no page.
LEAST_SCALE = 0.05
BETTER, WORSE, SAME, UNKNOWN = "better", "worse", "same", "unknown"
WORDS: dict[str, str | Promise] = {
    BETTER: gettext_lazy("better"),
    WORSE: gettext_lazy("worse"),
    SAME: gettext_lazy("no difference to be seen"),
    UNKNOWN: gettext_lazy("nothing to compare"),
}
POOLED_FIGURES = (
    "right",
    "wrong",
    "coverage",
    "decided_error",
    "false_accusations",
    "fakes_missed",
    "auc",
    "calibration_error",
)


@dataclass(frozen=True)
class Plot:
    """Where a difference and its interval lie on a line from -100 to 100; right is better."""

    low: str
    length: str
    at: str


@dataclass(frozen=True)
class Difference:
    """One figure of both models; `word` says what the colour of `side` does."""

    name: str | Promise
    n: str
    before: str
    after: str
    difference: str
    interval: str
    side: str
    word: str | Promise
    plot: Plot | None


@dataclass(frozen=True)
class Place:
    """A source or a kind of damage: its share of right verdicts, and its reals accused."""

    name: str | Promise
    reals: str
    fakes: str
    right: Difference
    accused: Difference


@dataclass(frozen=True)
class Changed:
    """A detection whose verdict the candidate would change."""

    detection: Detection
    before: str | Promise
    after: str | Promise
    before_tone: str
    after_tone: str


@dataclass(frozen=True)
class Gate:
    """Whether the candidate may follow: `open`, `shut`, or `never` where nobody may overrule it."""

    state: str
    obstacles: list[str]


@dataclass(frozen=True)
class ShownComparison:
    """Everything a page says about one comparison that is over."""

    gate: Gate
    pooled: list[Difference]
    sources: list[Place]
    damages: list[Place]
    copies: list[Difference]
    speed: str
    golden: str
    live: str
    unreadable: int


def shown_comparison(row: Comparison) -> ShownComparison:
    """Put the figures of a comparison into words and places, in the reader's language."""
    found = row.figures
    whole = found.get("sources", {}).get("all")
    sources = {name: part for name, part in found.get("sources", {}).items() if name != "all"}
    return ShownComparison(
        gate=gate(row),
        pooled=[_difference(name, whole["figures"][name]) for name in POOLED_FIGURES]
        if whole
        else [],
        sources=_places(sources, words.SOURCES),
        damages=_places(found.get("damage", {}), words.DAMAGES),
        copies=[_difference(name, figure) for name, figure in found.get("copies", {}).items()],
        speed=_speed(found.get("speed", {})),
        golden=_golden(found.get("golden", {})),
        live=_live(found.get("live", {})),
        unreadable=len(found.get("unreadable", [])),
    )


def gate(row: Comparison) -> Gate:
    """What the gate says of a comparison that is over."""
    sentences = [obstacle_sentence(one, words.SOURCES, words.DAMAGES) for one in row.obstacles]
    if row.is_open_gate:
        return Gate("open", sentences)
    is_final = registry.obstacle_codes(row) - registry.OVERRULED
    return Gate("never" if is_final else "shut", sentences)


def changed_verdicts(row: Comparison, user: User) -> tuple[list[str], int]:
    """Ids of the changed detections that this person may see, and how many others there are."""
    ids = [one["detection"] for one in row.changed]
    rows = Detection.objects.only("image_id")
    seen = {str(pk) for pk in rows.shown_to(user, map(uuid.UUID, ids))}
    shown = [pk for pk in ids if pk in seen]
    return shown, len(ids) - len(shown)


def changed_rows(row: Comparison, ids: Iterable[str], user: User) -> list[Changed]:
    """These of the changed detections, with both verdicts in words."""
    told = {one["detection"]: one for one in row.changed}
    with_image = Detection.objects.select_related("image")
    rows = with_image.shown_to(user, map(uuid.UUID, ids))
    by_id = {str(pk): detection for pk, detection in rows.items()}
    return [_changed(by_id[pk], told[pk]) for pk in ids if pk in by_id]


def failure(row: Comparison) -> str:
    """Why it has no figures, as a sentence."""
    return str(FAILURES.get(row.failure_code) or words.failure_sentence(row.failure_code))


def _changed(detection: Detection, told: Mapping[str, Any]) -> Changed:
    labels = dict(Detection.Verdict.choices)
    before, after = told["before"], told["after"]
    return Changed(detection, labels[before], labels[after], TONES[before], TONES[after])


def _places(parts: Mapping[str, Any], names: Mapping[str, str | Promise]) -> list[Place]:
    reach = [LEAST_SCALE]
    for part in parts.values():
        for end in ("low", "high"):
            reach.append(abs(part["figures"]["right"][end] or 0.0))
    return [_place(names.get(key, key), part, max(reach)) for key, part in parts.items()]


def _place(name: str | Promise, part: Mapping[str, Any], scale: float) -> Place:
    return Place(
        name=name,
        reals=number_format(part["n_real"], force_grouping=True),
        fakes=number_format(part["n_fake"], force_grouping=True),
        right=_difference("right", part["figures"]["right"], scale),
        accused=_difference("false_accusations", part["figures"]["false_accusations"]),
    )


def _difference(name: str, figure: Mapping[str, Any], scale: float | None = None) -> Difference:
    side = _side(name, figure)
    is_known = figure["difference"] is not None
    return Difference(
        name=FIGURES[name],
        n=number_format(figure["n"], force_grouping=True),
        before=value(name, figure["before"]),
        after=value(name, figure["after"]),
        difference=_signed(name, figure["difference"]) if is_known else "–",
        interval=_interval(name, figure) if is_known else "",
        side=side,
        word=WORDS[side],
        plot=_plot(figure, scale) if scale and is_known else None,
    )


def _side(name: str, figure: Mapping[str, Any]) -> str:
    """By the interval: a difference that it cannot tell from none is none."""
    if figure["difference"] is None:
        return UNKNOWN
    if figure["low"] > 0 or figure["high"] < 0:
        is_higher = figure["low"] > 0
        return BETTER if is_higher == (name in RISING) else WORSE
    return SAME


def _signed(name: str, number: float) -> str:
    sign = "+" if number > 0 else "−" if number < 0 else "±"
    if name == "auc":
        return f"\u2066{sign}{number_format(abs(number), 3)}\u2069"
    return points(abs(number), sign)


def _interval(name: str, figure: Mapping[str, Any]) -> str:
    factor, digits = (1, 3) if name == "auc" else (100, 1)
    ends = (number_format(round(factor * figure[end], digits), digits) for end in ("low", "high"))
    low, high = (end.replace("-", "−") for end in ends)
    return f"\u2066{low} … {high}\u2069"  # from left to right in Arabic too


def _plot(figure: Mapping[str, Any], scale: float) -> Plot:
    low, high, at = (100 * figure[end] / scale for end in ("low", "high", "difference"))
    return Plot(f"{low:.1f}", f"{max(high - low, 1.0):.1f}", f"{at:.1f}")


def _speed(speed: Mapping[str, Any]) -> str:
    if not speed.get("n"):
        return ""
    told = {
        name: number_format(speed[name], 0) for name in ("before", "before_sd", "after", "after_sd")
    }
    return _(
        "%(after)s ms of processor time an image (standard deviation %(after_sd)s), the present"
        " model %(before)s ms (%(before_sd)s); %(n)s images."
    ) % {**told, "n": number_format(speed["n"], force_grouping=True)}


def _golden(golden: Mapping[str, Any]) -> str:
    if not golden.get("n"):
        return ""
    told = {name: number_format(count, force_grouping=True) for name, count in golden.items()}
    return (
        _(
            "Of %(n)s golden images it judges %(right_after)s rightly and %(wrong_after)s wrongly;"
            " the present model %(right_before)s and %(wrong_before)s."
        )
        % told
    )


def _live(live: Mapping[str, Any]) -> str:
    if not live.get("n"):
        return ""
    told = {name: number_format(count, force_grouping=True) for name, count in live.items()}
    return _("Of the latest %(n)s detections, it would judge %(changed)s otherwise.") % told
