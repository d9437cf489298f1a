"""How the desk decides over a time: how much, how alike, how right, and the models beside it."""

from datetime import date, datetime, time, timedelta

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.permissions import reviewer_required, signed_in
from detection.review_charts import sections
from detection.services import review_figures

DAYS = 30  # unless somebody asks for others
PRESETS = (7, 30, 90, 365)
DAY = forms.DateInput({"type": "date"})


class TimeForm(forms.Form):
    """From when to when, both days included; what cannot be read is the last thirty days."""

    since = forms.DateField(label=_("First day"), required=False, widget=DAY)
    until = forms.DateField(label=_("Last day"), required=False, widget=DAY)

    def __init__(self, data: QueryDict) -> None:
        today = timezone.localdate()
        first = {"since": today - timedelta(days=DAYS - 1), "until": today}
        super().__init__(data if data else None, initial=first, label_suffix="")
        valid = self.cleaned_data if self.is_bound and self.is_valid() else {}
        self.until_day: date = valid.get("until") or today
        self.since_day: date = valid.get("since") or self.until_day - timedelta(days=DAYS - 1)

    def clean(self) -> None:
        since, until = (self.cleaned_data.get(name) for name in ("since", "until"))
        if since and until and since > until:
            raise forms.ValidationError(_("The first day is after the last one."))

    def span(self) -> tuple[datetime, datetime]:
        """From the first moment, up to but without the last; in the reader's time zone."""
        zone = timezone.get_current_timezone()
        after = self.until_day + timedelta(days=1)
        begin, end = (datetime.combine(day, time.min, zone) for day in (self.since_day, after))
        return begin, end


@never_cache
@reviewer_required
@require_GET
def figures(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = TimeForm(request.GET)
    found = review_figures.figures(*form.span())
    today = timezone.localdate()
    context = {
        "form": form,
        "presets": [(days, today - timedelta(days=days - 1), today) for days in PRESETS],
        "days": (form.since_day, form.until_day),
        "found": found,
        "sections": sections(found, user),
    }
    return render(request, "review/figures.html", context, status=400 if form.errors else 200)
