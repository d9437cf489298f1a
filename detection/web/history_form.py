"""What somebody looks for in the history, as a form in the page's address."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.history import Asked, Order
from detection.models import Case, Detection, ImageTag, ModelVersion
from detection.models.history import Door, Kind
from detection.models.tag import MAX_TAG
from detection.services.reviewed import Said, detections_reviewed

MAX_TEXT = 200
MAX_CHOICES = 200  # of cases and tags offered: the newest, or those one uses
YEARS = range(1970, 3000)
VERDICTS = {
    **{Detection.Verdict[kind.name].value: kind for kind in list(Kind)[1:4]},
    "failed": Kind.FAILED,
    "pending": Kind.PENDING,
}
DAY = forms.DateInput({"type": "date"})


@dataclass(frozen=True)
class Chip:
    """One filter in words, and the search without it."""

    label: str
    value: str
    query: str


class HistoryForm(forms.Form):
    """All filters; those that cannot be read ask for nothing."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=MAX_TEXT,
        widget=forms.TextInput({"type": "search", "dir": "auto", "autocomplete": "off"}),
        help_text=_(
            "Words of the file name or source address (harb* finds harbour), or the beginning "
            "of a SHA-256 or number."
        ),
    )
    verdict = forms.MultipleChoiceField(
        label=_("Verdict"),
        required=False,
        choices=[(code, kind.label) for code, kind in VERDICTS.items()],
        widget=forms.CheckboxSelectMultiple,
    )
    whose = forms.ChoiceField(
        label=_("Whose"),
        required=False,
        choices=[],
    )
    person = forms.CharField(
        label=_("Person"),
        required=False,
        max_length=254,
        widget=forms.TextInput({"placeholder": _("e-mail address"), "dir": "ltr"}),
    )
    since = forms.DateField(label=_("Received from"), required=False, widget=DAY)
    until = forms.DateField(label=_("Received to"), required=False, widget=DAY)
    model = forms.ModelChoiceField(
        label=_("Model"), required=False, queryset=ModelVersion.objects.none(), empty_label=_("Any")
    )
    tag = forms.CharField(
        label=_("Tag"),
        required=False,
        max_length=MAX_TAG,
        widget=forms.TextInput({"list": "tags-used", "dir": "auto", "autocomplete": "off"}),
    )
    case = forms.ModelChoiceField(
        label=_("Case"), required=False, queryset=Case.objects.none(), empty_label=_("Any")
    )
    confidential = forms.ChoiceField(
        label=_("Confidential"),
        required=False,
        choices=[("", _("Either")), ("yes", _("Yes")), ("no", _("No"))],
    )
    review = forms.ChoiceField(
        label=_("Review"), required=False, choices=[("", _("Reviewed or not")), *Said.choices]
    )
    via = forms.ChoiceField(
        label=_("Submitted by"),
        required=False,
        choices=[("", _("Either")), ("page", _("Page")), ("api", _("API"))],
    )
    order = forms.ChoiceField(
        label=_("Order"),
        required=False,
        choices=[
            (Order.NEWEST, _("Newest first")),
            (Order.OLDEST, _("Oldest first")),
            (Order.LIKELIEST, _("Most likely manipulated first")),
        ],
    )

    def __init__(self, data: QueryDict, *, by: User) -> None:
        super().__init__(data, label_suffix="")
        self.by = by
        if not by.is_reviewer:
            del self.fields["person"]
        everybody = _("Everybody’s") if by.is_reviewer else _("All I may see")
        self.fields["whose"].choices = [("mine", _("Mine")), ("all", everybody)]  # type: ignore[attr-defined]
        model, case = self.fields["model"], self.fields["case"]
        assert isinstance(model, forms.ModelChoiceField)
        assert isinstance(case, forms.ModelChoiceField)
        model.queryset = ModelVersion.objects.order_by("-created_at")
        case.queryset = Case.objects.visible_to(by).order_by("-created_at")
        self.is_valid()
        case.choices = self._case_choices

    def _case_choices(self) -> list[tuple[str, str]]:
        """The cases that are offered, and the one that was chosen, however old."""
        chosen = self.cleaned_data.get("case")
        older = [chosen] if chosen and chosen not in self.cases else []
        named = [(str(one.pk), str(one)) for one in [*self.cases, *older]]
        return [("", str(_("Any"))), *named]

    def clean_q(self) -> str:
        return str(self.cleaned_data["q"]).replace("\x00", "")

    def clean_since(self) -> date | None:
        return _of_this_age(self.cleaned_data["since"])

    def clean_until(self) -> date | None:
        return _of_this_age(self.cleaned_data["until"])

    @property
    def given(self) -> dict[str, Any]:
        """The filters that were given and can be read."""
        chosen = dict(self.cleaned_data)
        if chosen.get("whose") == "mine":
            chosen["whose"] = ""
        if chosen.get("order") == Order.NEWEST:
            chosen["order"] = ""
        return {name: chosen[name] for name in self.fields if chosen.get(name)}

    @property
    def is_narrowed(self) -> bool:
        """Whether a filter leaves something out; the order does not."""
        return bool(set(self.given) - {"order", "whose"})

    def asked(self) -> Asked:
        """The same for `detection.history`."""
        given = self.given
        owner, is_nobody = self._owner()
        hidden = given.get("confidential")
        return Asked(
            text=given.get("q", ""),
            kinds=frozenset(VERDICTS[code] for code in given.get("verdict", ())),
            door={"page": Door.PAGE, "api": Door.API}.get(given.get("via", ""), Door.NONE),
            is_confidential=None if hidden is None else hidden == "yes",
            model=given["model"].pk if "model" in given else None,
            since=_midnight(given.get("since")),
            until=_midnight(given.get("until"), days=1),
            tag=given.get("tag", ""),
            case=given["case"].pk if "case" in given else None,
            owner=owner,
            order=given.get("order", Order.NEWEST),
            among=(detections_reviewed(self.by, said),) if (said := given.get("review")) else (),
            is_impossible=is_nobody,
        )

    def _owner(self) -> tuple[User | None, bool]:
        """Whose images are asked for, and whether that is nobody's."""
        if email := self.given.get("person"):
            person = User.objects.filter(email__iexact=email.strip()).first()
            return person, person is None
        return (None if self.given.get("whose") == "all" else self.by), False

    def query(self, *, without: str = "", value: str = "") -> str:
        """The address of this search, without one filter or one of its values."""
        query = QueryDict(mutable=True)
        for name, chosen in self.given.items():
            values = chosen if isinstance(chosen, list) else [_plain(chosen)]
            kept = [one for one in values if name != without or (value and one != value)]
            if kept:
                query.setlist(name, kept)
        return query.urlencode()

    def chips(self) -> Iterator[Chip]:
        """Each filter in words; several verdicts are several."""
        for name, chosen in self.given.items():
            label = str(self.fields[name].label)
            if name in {"order", "whose"}:
                continue
            for one in chosen if isinstance(chosen, list) else [chosen]:
                query = self.query(without=name, value=one if isinstance(chosen, list) else "")
                yield Chip(label, self._words(name, one), query)

    def _words(self, name: str, chosen: Any) -> str:
        if isinstance(chosen, date):
            return date_format(chosen, "j M Y")
        choices = dict(getattr(self.fields[name], "choices", ())) if name != "model" else {}
        is_named = name in {"verdict", "confidential", "review", "via"}
        return str(choices.get(chosen, chosen)) if is_named else str(chosen)

    @cached_property
    def cases(self) -> list[Case]:
        """Cases to choose from, the newest first."""
        return list(Case.objects.visible_to(self.by).order_by("-created_at")[:MAX_CHOICES])

    def tags_used(self) -> list[str]:
        """Tags that this person gave, to choose from."""
        mine = ImageTag.objects.filter(by=self.by).order_by("tag__key")
        return list(mine.values_list("tag__key", flat=True).distinct()[:MAX_CHOICES])


def _plain(chosen: Any) -> str:
    return str(getattr(chosen, "pk", chosen))


def _of_this_age(day: date | None) -> date | None:
    if day and day.year not in YEARS:
        raise forms.ValidationError(_("Give a day of this age."))
    return day


def _midnight(day: date | None, *, days: int = 0) -> datetime | None:
    """When a day begins, in the reader's time zone."""
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day + timedelta(days=days), time.min))
