"""What was judged before, found again."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.permissions import signed_in
from detection import words
from detection.models import Detection, Submission
from detection.models.detection import DetectionQuerySet
from detection.paging import Page, page
from detection.presentation import verdict_card

HISTORY_PAGE = 24


@never_cache
@login_required
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    verdict, whose = request.GET.get("verdict", ""), request.GET.get("whose", "mine")
    rows = _filtered(_whose(user, whose), verdict)
    found: Page[Detection] = page(rows, cursor=request.GET.get("cursor", ""), size=HISTORY_PAGE)
    names = _file_names(found.rows, user)
    entries = [
        {"detection": row, "card": verdict_card(row), "file_name": names.get(row.pk, "")}
        for row in found.rows
    ]
    context = {
        "entries": entries,
        "next_cursor": found.next_cursor,
        "is_first_page": not request.GET.get("cursor"),
        "verdict": verdict,
        "whose": whose,
        "verdicts": [*Detection.Verdict.choices, (Detection.Status.FAILED, words.NOT_JUDGED)],
    }
    return render(request, "detection/detection_list.html", context)


def _whose(user: User, whose: str) -> DetectionQuerySet:
    rows = Detection.objects.visible_to(user).select_related("image__owner", "model_version")
    return rows if whose == "all" else rows.filter(image__owner=user)


def _file_names(rows: list[Detection], user: User) -> dict[uuid.UUID, str]:
    """What the latest submission that this person may see calls each detection's file."""
    requests = Submission.objects.filter(detection__in=rows).order_by("created_at")
    if not user.is_reviewer:
        requests = requests.filter(by=user)
    return dict(requests.values_list("detection_id", "file_name"))


def _filtered(rows: DetectionQuerySet, verdict: str) -> DetectionQuerySet:
    if verdict == Detection.Status.FAILED:
        return rows.filter(status=Detection.Status.FAILED)
    return rows.filter(verdict=verdict) if verdict in Detection.Verdict.values else rows
