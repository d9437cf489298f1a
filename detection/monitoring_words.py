"""What is counted, in words."""

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from detection.drift import Share
from detection.figures import share_words
from detection.models import Detection

OUTCOME_TONES = {
    "likely_authentic": "authentic",
    "likely_manipulated": "manipulated",
    "inconclusive": "inconclusive",
    "failed": "failed",
    "open": "waiting",
}
OUTCOMES: dict[str, str | Promise] = {
    **dict(Detection.Verdict.choices),
    "failed": gettext_lazy("Could not be judged"),
    "open": gettext_lazy("Not judged yet"),
}
KINDS: dict[str, Promise] = {
    "formats": gettext_lazy("Format"),
    "pixels": gettext_lazy("Size"),
    "compression": gettext_lazy("JPEG compression"),
    "tables": gettext_lazy("JPEG written by"),
}
NAMES: dict[str, dict[str, Promise]] = {
    "pixels": {
        "500000": gettext_lazy("under 0.5 megapixels"),
        "2000000": gettext_lazy("0.5 to 2 megapixels"),
        "8000000": gettext_lazy("2 to 8 megapixels"),
        "24000000": gettext_lazy("8 to 24 megapixels"),
        "more": gettext_lazy("24 megapixels and more"),
    },
    "compression": {
        "heavy": gettext_lazy("heavy (quality under 50)"),
        "strong": gettext_lazy("strong (50 to 74)"),
        "light": gettext_lazy("light (75 and more)"),
    },
    "tables": {
        "standard": gettext_lazy("common software, as re-saved files are"),
        "other": gettext_lazy("a camera, or software with tables of its own"),
    },
}


def outcome_words(outcome: str) -> str:
    return str(OUTCOMES.get(outcome, outcome))


def kind_words(kind: str, name: str) -> str:
    return str(NAMES.get(kind, {}).get(name, name)) or _("unknown")


def with_interval(share: Share | None) -> tuple[str, str]:
    """A share, and its interval with what was counted; a dash and nothing of nothing."""
    if share is None:
        return "–", ""
    low, high = share_words(share.low), share_words(share.high)
    counted = number_format(share.n, force_grouping=True)
    return share_words(share.value), _("%(low)s to %(high)s, n = %(n)s") % {
        "low": low,
        "high": high,
        "n": counted,
    }


def seconds_words(seconds: int | None) -> str:
    """The bound of a band; a dash where none is known."""
    if seconds is None:
        return "–"
    if seconds >= 3600:
        return _("%(n)s h") % {"n": number_format(seconds // 3600)}
    if seconds >= 60:
        return _("%(n)s min") % {"n": number_format(seconds // 60)}
    return _("%(n)s s") % {"n": number_format(seconds)}
