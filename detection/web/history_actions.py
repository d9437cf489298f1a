"""What is done with rows of the history, and with searches: change, take along, keep."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    QueryDict,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.permissions import signed_in
from detection import history as finder
from detection.errors import Refused
from detection.history import Asked
from detection.models import Case, Detection, SavedFilter
from detection.models.tag import MAX_TAG, typed_tags, undivided
from detection.services import bulk, saved_filters
from detection.services.history_export import Export
from detection.web.history_form import HistoryForm
from detection.web.history_page import entries

MOST_TAGS = 10  # at once
LONGEST_QUERY = 4000  # encoded, as in the page's address
TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


class BulkForm(forms.Form):
    """Which rows, and what is to be done with them."""

    action = forms.ChoiceField(
        choices=[
            ("tag", gettext_lazy("Add a tag")),
            ("untag", gettext_lazy("Remove a tag")),
            ("case", gettext_lazy("Add to a case")),
            ("move", gettext_lazy("Move between cases")),
            ("confidential", gettext_lazy("Mark confidential")),
            ("allow_training", gettext_lazy("Let mine be learnt from")),
            ("forbid_training", gettext_lazy("Withdraw that mine are learnt from")),
            ("csv", gettext_lazy("Export as CSV")),
            ("json", gettext_lazy("Export as JSON")),
        ]
    )
    tag = forms.CharField(required=False, max_length=MOST_TAGS * (MAX_TAG + 2))
    case = forms.ModelChoiceField(required=False, queryset=Case.objects.none())
    source = forms.ModelChoiceField(required=False, queryset=Case.objects.none())
    shares_confidential = forms.BooleanField(required=False)

    def __init__(self, data: QueryDict, *, by: User) -> None:
        super().__init__(data)
        for name in ("case", "source"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = Case.objects.writable_by(by)

    def clean_tag(self) -> list[str]:
        """The tags between the commas."""
        names = typed_tags(self.cleaned_data["tag"])
        if len(names) > MOST_TAGS:
            raise forms.ValidationError(
                _("At most %(most)s tags at once; these are %(count)s.")
                % {"most": MOST_TAGS, "count": len(names)}
            )
        if long := next((name for name in names if len(name) > MAX_TAG), ""):
            raise forms.ValidationError(
                _("A tag has at most %(most)s characters; “%(beginning)s…” has more.")
                % {"most": MAX_TAG, "beginning": long[:12]}
            )
        return names

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        action = data.get("action")
        if action in {"tag", "untag"} and "tag" in data and not data["tag"]:
            raise forms.ValidationError(_("Say which tag."))
        if action in {"case", "move"} and not data.get("case"):
            raise forms.ValidationError(_("Say which case."))
        if action == "move" and not data.get("source"):
            raise forms.ValidationError(_("Say out of which case."))
        return data

    def change(self) -> bulk.Change:
        """What is done to each row."""
        data = self.cleaned_data
        shares = data["shares_confidential"]
        changes: dict[str, Callable[[], bulk.Change]] = {
            "tag": lambda: bulk.tagging(data["tag"]),
            "untag": lambda: bulk.untagging([*data["tag"], *undivided(self.data["tag"])]),
            "case": lambda: bulk.adding_to(data["case"], shares_confidential=shares),
            "move": lambda: bulk.moving(data["source"], data["case"], shares_confidential=shares),
            "confidential": lambda: bulk.hiding,
            "allow_training": lambda: bulk.allowing_training(is_allowed=True),
            "forbid_training": lambda: bulk.allowing_training(is_allowed=False),
        }
        return changes[data["action"]]()


def whole_query(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Refuse a search that is too long, before anything is done; one that is cut asks for more."""

    @wraps(view)
    def bounded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if len(_query(request)) <= LONGEST_QUERY:
            return view(request, *args, **kwargs)
        problem = _("This search is too long: at most 4,000 characters in the page’s address.")
        context = {"problem": problem, "back": f"{reverse('history')}?whose=mine"}
        return render(request, "detection/bulk_outcome.html", context, status=400)

    return bounded


@login_required
@require_POST
@whole_query
def change_many(request: HttpRequest) -> HttpResponseBase:
    """Do the same with each of the rows that were picked, and say what became of each."""
    user = signed_in(request)
    back = f"{reverse('history')}?{_query(request)}"
    rows = _picked(request, user)
    form = BulkForm(request.POST, by=user)
    problem = "" if rows else _("Nothing was picked. Mark the rows first.")
    if not form.is_valid():
        problem = problem or " ".join(str(text) for texts in form.errors.values() for text in texts)
    if problem:
        context: dict[str, Any] = {"problem": problem, "back": back}
        return render(request, "detection/bulk_outcome.html", context, status=422)
    action = form.cleaned_data["action"]
    if action in TYPES:
        chosen = [row.pk for row in rows]
        return _download(
            request, Export(user, Asked(), _watch(request), _origin(request), chosen), action
        )
    outcomes = bulk.change_each(by=user, rows=rows, change=form.change())
    shown = entries(rows, user)
    for entry, outcome in zip(shown, outcomes, strict=True):
        entry["outcome"] = outcome
    context = {
        "entries": shown,
        "back": back,
        "action": dict(form.fields["action"].choices)[action],  # type: ignore[attr-defined]
        "changed": sum(one.is_changed for one in outcomes),
        "unchanged": sum(not one.is_changed and not one.refusal for one in outcomes),
        "refused": sum(bool(one.refusal) for one in outcomes),
    }
    return render(request, "detection/bulk_outcome.html", context)


@login_required
@require_POST
@whole_query
def export(request: HttpRequest) -> HttpResponseBase:
    """All rows of a search as a file; that it was made is an event."""
    user = signed_in(request)
    kind = request.POST.get("format", "")
    if kind not in TYPES:
        raise BadRequest("format must be csv or json")
    form = HistoryForm(QueryDict(_query(request)), by=user)
    made = Export(user, form.asked(), _watch(request), _origin(request))
    try:
        return _download(request, made, kind, form.query())
    except finder.TooSlow:
        context = {"problem": _("This search takes too long. Narrow it down."), "back": _back(form)}
        return render(request, "detection/bulk_outcome.html", context, status=503)


@login_required
@require_POST
@whole_query
def keep_filter(request: HttpRequest) -> HttpResponse:
    """Keep the search under a name."""
    user = signed_in(request)
    form = HistoryForm(QueryDict(_query(request)), by=user)
    try:
        saved_filters.save_filter(by=user, name=request.POST.get("name", ""), query=form.query())
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The filter was saved."))
    return redirect(_back(form))


@login_required
@require_POST
@whole_query
def change_filter(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Rename or delete one of one's own filters, or have the history open with it or without."""
    user = signed_in(request)
    saved = get_object_or_404(SavedFilter, owner=user, pk=pk)
    name = request.POST.get("name", "")
    actions: dict[str, Callable[[], None]] = {
        "rename": lambda: saved_filters.rename_filter(by=user, saved=saved, name=name),
        "delete": lambda: saved_filters.delete_filter(by=user, saved=saved),
        "default": lambda: saved_filters.choose_default(by=user, saved=saved),
        "plain": lambda: saved_filters.choose_default(by=user, saved=None),
    }
    change = actions.get(request.POST.get("action", ""))
    if change is None:
        raise BadRequest(f"action must be one of {', '.join(actions)}")
    try:
        change()
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect(_back(HistoryForm(QueryDict(_query(request)), by=user)))


def _picked(request: HttpRequest, user: User) -> list[Detection]:
    """The rows that were marked, of those that this person sees."""
    ids = []
    for text in request.POST.getlist("row")[: bulk.MAX_AT_ONCE]:
        try:
            ids.append(uuid.UUID(text))
        except ValueError:
            continue
    return finder.detections(user, list(dict.fromkeys(ids)))


def _download(
    request: HttpRequest, made: Export, kind: str, query: str = ""
) -> StreamingHttpResponse:
    made.record(query)
    rows = made.csv() if kind == "csv" else made.json()
    response = StreamingHttpResponse(rows, content_type=TYPES[kind])
    name = f"unmask-history-{timezone.now():%Y%m%dT%H%M%SZ}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _watch(request: HttpRequest) -> Callable[[], bool]:
    """Says, whenever asked, whether the person is still let in with the same rights."""
    user, session = signed_in(request), request.session
    was = (user.role, user.is_active)

    def may_go_on() -> bool:
        now = User.objects.filter(pk=user.pk).values_list("role", "is_active").first()
        return now == was and session.exists(session.session_key or "")

    return may_go_on


def _origin(request: HttpRequest) -> str:
    return request.build_absolute_uri("/").rstrip("/")


def _query(request: HttpRequest) -> str:
    return request.POST.get("query", "")


def _back(form: HistoryForm) -> str:
    return f"{reverse('history')}?{form.query() or 'whose=mine'}"
