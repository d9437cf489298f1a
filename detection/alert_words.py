"""What rules found wrong, in words for people."""

from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from detection.figures import percent

TITLES: dict[str, Promise] = {
    "scores_shifted": gettext_lazy("Scores are not what they were"),
    "scores_drifted": gettext_lazy("Scores have moved away from the model’s first weeks"),
    "inconclusive_up": gettext_lazy("“Cannot tell” is said more often"),
    "failures_up": gettext_lazy("More images cannot be judged"),
    "reviews_disagree": gettext_lazy("Reviewers often decide otherwise"),
    "reviews_clear_accused": gettext_lazy("Authentic images are called manipulated"),
    "golden_scores_moved": gettext_lazy("The model scores its golden pictures otherwise"),
    "no_worker": gettext_lazy("A worker gives no sign"),
    "queue_waits": gettext_lazy("Images wait for their verdict"),
    "model_damaged": gettext_lazy("The model that judges is damaged"),
}
QUEUES: dict[str, Promise] = {
    "detect": gettext_lazy("Verdicts somebody waits for"),
    "bulk": gettext_lazy("Batches"),
    "evidence": gettext_lazy("Evidence layers and parts"),
    "deliver": gettext_lazy("Webhooks"),
    "train": gettext_lazy("Training"),
}
SENTENCES: dict[str, Promise] = {
    "scores_shifted": gettext_lazy(
        "Of the last 7 days’ %(n)s scores and the %(n_reference)s of the 8 weeks before, the"
        " stability index is %(index)s; above 0.2 other images come in, or the model meets them"
        " otherwise. Chance alone rarely gives more than %(by_chance)s."
    ),
    "scores_drifted": gettext_lazy(
        "Of the last 7 days’ %(n)s scores and the %(n_reference)s of this model’s first 4 weeks,"
        " the stability index is %(index)s; above 0.2 the model no longer meets what it began with."
        " Chance alone rarely gives more than %(by_chance)s."
    ),
    "inconclusive_up": gettext_lazy(
        "%(share)s of the last 7 days’ %(n)s verdicts, after %(share_before)s of %(n_before)s in"
        " the 8 weeks before."
    ),
    "failures_up": gettext_lazy(
        "%(share)s of the last 7 days’ %(n)s images, after %(share_before)s of %(n_before)s in"
        " the 8 weeks before."
    ),
    "reviews_disagree": gettext_lazy(
        "In %(count)s of %(n)s reviews of the last 4 weeks, a person and the detector said opposite"
        " things (%(share)s). Disputed images are among them, so it is no error rate."
    ),
    "reviews_clear_accused": gettext_lazy(
        "%(count)s of %(n)s images drawn at random in the last 4 weeks, which a reviewer found"
        " authentic, had been called manipulated (%(share)s)."
    ),
    "golden_scores_moved": gettext_lazy(
        "%(count)s images of the last 7 days were not judged, because a library, the processor or"
        " memory computes otherwise than recorded."
    ),
    "no_worker": gettext_lazy(
        "Nothing was heard for 5 minutes from what works off: %(queues)s. Look whether it runs."
    ),
    "queue_waits": gettext_lazy(
        "%(count)s images somebody waits for are not judged; the oldest has waited for %(minutes)s"
        " minutes."
    ),
    "model_damaged": gettext_lazy(
        "The files of %(model)s are not what was registered, so nothing is judged. Register it"
        " again from a whole copy, or go back to the model before."
    ),
}


def alert_title(rule: str) -> str:
    return str(TITLES.get(rule, rule))


def alert_words(rule: str, figures: Mapping[str, Any]) -> str:
    """One or two sentences with the figures that the rule saw; empty for a rule of another day."""
    if rule not in SENTENCES:
        return ""
    return str(SENTENCES[rule]) % _Words(figures)


def queue_words(queue: str) -> str:
    return str(QUEUES.get(queue, queue))


class _Words(dict[str, str]):
    """Figures as text, and what follows from them; a dash for what was not counted."""

    def __init__(self, figures: Mapping[str, Any]) -> None:
        super().__init__({name: _text(value) for name, value in figures.items()})
        for suffix in ("", "_before"):
            count, n = figures.get(f"count{suffix}"), figures.get(f"n{suffix}")
            if n and count is not None:
                self[f"share{suffix}"] = percent(count / n)
        if "oldest_s" in figures:
            self["minutes"] = number_format(figures["oldest_s"] // 60)

    def __missing__(self, name: str) -> str:
        return "–"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return _(", ").join(queue_words(queue) for queue in value)
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number_format(value, 2)
    return number_format(value, force_grouping=True)
