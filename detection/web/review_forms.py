"""Forms of the review desk: a decision, which items to list, what to do with several, the rules."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from detection.models import Decision, Outcome, ReviewItem
from detection.review_waiting import Asked, Whose

MAX_NOTE = 2000
OUTCOMES = Outcome.choices
AGES: dict[str, timedelta] = {
    "day": timedelta(days=1),
    "three": timedelta(days=3),
    "week": timedelta(days=7),
}


def note_field(**options: Any) -> forms.CharField:
    rows = forms.Textarea({"rows": 3, "dir": "auto", "maxlength": MAX_NOTE})
    return forms.CharField(**{"required": False, "max_length": MAX_NOTE, "widget": rows, **options})


class DecisionForm(forms.Form):
    """What a reviewer says, and why."""

    outcome = forms.ChoiceField(label=_("The image is"), choices=OUTCOMES, widget=forms.RadioSelect)
    reason = forms.ChoiceField(
        label=_("The main reason"), choices=Decision.Reason.choices, widget=forms.RadioSelect
    )
    note = note_field(
        label=_("Note"),
        help_text=_(
            "What you saw or found out, for those who check it later. At most 2,000 characters."
        ),
    )

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        super().__init__(data, **{"label_suffix": "", **options})


@dataclass(frozen=True)
class Typed:
    """What was entered where it could not be taken, so that it is shown and sent again."""

    outcome: str = ""
    reason: str = ""
    note: str = ""

    @classmethod
    def of(cls, data: QueryDict) -> "Typed":
        given = (data.get(name, "")[:MAX_NOTE] for name in ("outcome", "reason", "note"))
        return cls(*given)

    @property
    def outcome_words(self) -> str:
        return str(dict(Outcome.choices).get(self.outcome, ""))

    @property
    def reason_words(self) -> str:
        return str(dict(Decision.Reason.choices).get(self.reason, ""))


class QueueForm(forms.Form):
    """Which items to list, from the page's address; what cannot be read asks for nothing."""

    reason = forms.ChoiceField(
        label=_("Why it is here"),
        required=False,
        choices=[("", _("Any reason")), *ReviewItem.Reason.choices],
    )
    age = forms.ChoiceField(
        label=_("Waiting"),
        required=False,
        choices=[
            ("", _("However long")),
            ("day", _("More than a day")),
            ("three", _("More than three days")),
            ("week", _("More than a week")),
        ],
    )
    whose = forms.ChoiceField(
        label=_("In whose hands"),
        required=False,
        choices=[
            ("", _("Anybody’s or nobody’s")),
            (Whose.FREE, _("Nobody’s")),
            (Whose.MINE, _("Mine")),
        ],
    )
    escalated = forms.ChoiceField(
        label=_("Escalated"),
        required=False,
        choices=[("", _("Either")), ("yes", _("Yes")), ("no", _("No"))],
    )

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, label_suffix="")
        self.is_valid()

    def asked(self) -> Asked:
        given = {name: self.cleaned_data.get(name, "") for name in self.fields}
        return Asked(
            reason=given["reason"],
            older_than=AGES.get(given["age"]),
            whose=given["whose"],
            is_escalated={"yes": True, "no": False}.get(given["escalated"]),
        )

    @property
    def is_narrowed(self) -> bool:
        return any(self.cleaned_data.get(name) for name in self.fields)


class BulkForm(forms.Form):
    """What is to be done with each of the chosen items."""

    action = forms.ChoiceField(
        choices=[
            ("skip", _("Skip")),
            ("release", _("Put back")),
            ("escalate", _("Escalate")),
            ("cannot_tell", _("Close as “cannot tell”")),
        ]
    )
    note = note_field()


class RulesForm(forms.Form):
    """The rules, shares in per cent."""

    on_inconclusive = forms.BooleanField(
        label=_("What the detector cannot tell, of the images sent on a page"), required=False
    )
    on_disagreement = forms.BooleanField(
        label=_("Near copies of which one was called authentic and the other manipulated"),
        required=False,
    )
    sample_share = forms.FloatField(
        label=_("Drawn at random from all verdicts, in per cent"), min_value=0, max_value=100
    )
    second_opinion_share = forms.FloatField(
        label=_("Items that two people judge, each for themselves, in per cent"),
        min_value=0,
        max_value=100,
        help_text=_("Escalated items get more opinions in any case."),
    )
    golden_share = forms.FloatField(
        label=_("Images whose truth is known among what a reviewer is handed, in per cent"),
        min_value=0,
        max_value=50,
    )
    open_limit = forms.IntegerField(
        label=_("Open items that rules may make"),
        min_value=0,
        max_value=1_000_000,
        help_text=_("Disputed and flagged ones always get in."),
    )

    SHARES = ("sample_share", "second_opinion_share", "golden_share")

    def values(self) -> dict[str, Any]:
        data = dict(self.cleaned_data)
        return data | {name: round(data[name] / 100, 6) for name in self.SHARES}


class GoldenForm(forms.Form):
    """An image's truth, and how it is known."""

    outcome = forms.ChoiceField(
        label=_("The image is"),
        choices=[choice for choice in OUTCOMES if choice[0] != Outcome.CANNOT_TELL],
        widget=forms.RadioSelect,
    )
    note = note_field(
        label=_("How is it known?"),
        required=True,
        help_text=_("Who made it, from which original, how you know. At most 2,000 characters."),
    )

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        super().__init__(data, **{"label_suffix": "", **options})
