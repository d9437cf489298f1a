"""Which detections come to the review desk by themselves, as administrators set it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.permissions import administrator_required, signed_in
from detection.services import review_rules
from detection.web.review_forms import RulesForm


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
def rules(request: HttpRequest) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    form = RulesForm(posted, initial=_now(), label_suffix="")
    if posted is not None and form.is_valid():
        review_rules.set_rules(by=signed_in(request), **form.values())
        messages.success(request, _("Saved. What is on the desk already stays there."))
        return redirect("review_rules")
    return render(request, "review/rules.html", {"form": form}, status=400 if form.errors else 200)


def _now() -> dict[str, Any]:
    row = review_rules.rules()
    given = {name: getattr(row, name) for name in RulesForm.base_fields}
    return given | {name: round(100 * given[name], 4) for name in RulesForm.SHARES}
