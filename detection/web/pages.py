"""Verify, read, look back."""

import uuid
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from accounts.permissions import signed_in
from detection import words
from detection.errors import Refused
from detection.explanation import judged_faces, overlay
from detection.limits import rare_fakes
from detection.models import Detection, ModelVersion, Submission
from detection.models.detection import DetectionQuerySet
from detection.paging import Page, page
from detection.presentation import file_facts, metadata_rows, verdict_card
from detection.services.batches import Outcome
from detection.services.fetching import submit_url
from detection.services.submission import retry_detection, submit_image
from detection.uploads import StoredUpload, interrupted, uploaded
from detection.web.custody_pages import may_erase
from detection.web.samples import SAMPLES, open_sample

HISTORY_PAGE = 24
MEGABYTE = 1024 * 1024


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return _verify_page(request)
    uploads = uploaded(request, "image")  # reads the body, and finds out whether it broke off
    if "url" in request.POST:
        url = request.POST["url"].strip()
        return _submitted(request, [_submit(request, url, partial(submit_url, url=url))])
    if (refusal := interrupted(request)) or not uploads:
        error = Refused(refusal or "no_file")
        return _verify_page(request, [Outcome("", refusal=error)], status=error.status)
    return _submitted(request, [_submit_file(request, upload) for upload in uploads])


@login_required
@require_POST
def submit_sample(request: HttpRequest, name: str) -> HttpResponse:
    """Judge one of our own drawn pictures, so that a first visit has something to look at."""
    if name not in SAMPLES:
        raise Http404
    with open_sample(name) as upload:
        outcome = _submit_file(request, upload)
    if outcome.submission is None:
        return _verify_page(request, [outcome], status=503)
    return redirect("detection", outcome.submission.detection_id)


@never_cache
@login_required
@require_GET
def detection(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row = _visible(request, pk)
    return render(request, "detection/detection_detail.html", _context(request, row))


@never_cache
@login_required
@require_GET
def detection_card(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The verdict alone, which the page asks for again until it is there."""
    row = _visible(request, pk)
    return render(request, "detection/_verdict_card.html", _context(request, row))


@login_required
@require_POST
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    retry_detection(by=signed_in(request), detection=_visible(request, pk))
    return redirect("detection", pk)


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


@require_GET
def responsible_use(request: HttpRequest) -> HttpResponse:
    version = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    context = {"example": rare_fakes(version) if version else {}}
    return render(request, "detection/responsible_use.html", context)


def _verify_page(
    request: HttpRequest, outcomes: list[Outcome] | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "outcomes": outcomes or [],
        "samples": SAMPLES.values(),
        "accepted": words.ACCEPTED,
        "max_upload_bytes": settings.MAX_UPLOAD_BYTES,
        "max_upload_mb": settings.MAX_UPLOAD_BYTES // MEGABYTE,
        "session": _session_mark(request),
        "fetches_urls": settings.FETCH_URLS,
    }
    return render(request, "detection/verify.html", context, status=status)


def _submitted(request: HttpRequest, outcomes: list[Outcome]) -> HttpResponse:
    if len(outcomes) == 1 and (submission := outcomes[0].submission):
        return redirect("detection", submission.detection_id)
    status = next((o.refusal.status for o in outcomes if o.refusal), 200)
    return _verify_page(request, outcomes, status=status)


def _session_mark(request: HttpRequest) -> str:
    """What tells one sign-in from the next, and nobody anything else."""
    return salted_hmac("verify", request.session.session_key or "", algorithm="sha256").hexdigest()


def _submit_file(request: HttpRequest, upload: StoredUpload) -> Outcome:
    return _submit(request, upload.name or "", partial(submit_image, upload=upload))


def _submit(request: HttpRequest, name: str, submit: Callable[..., Submission]) -> Outcome:
    try:
        submission = submit(
            by=signed_in(request),
            via=Submission.Via.PAGE,
            is_confidential=bool(request.POST.get("is_confidential")),
        )
    except Refused as refusal:
        return Outcome(name, refusal=refusal)
    return Outcome(name, submission=submission)


def _visible(request: HttpRequest, pk: uuid.UUID) -> Detection:
    rows = Detection.objects.visible_to(signed_in(request)).select_related(
        "image__owner", "model_version"
    )
    return get_object_or_404(rows, pk=pk)


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


def _context(request: HttpRequest, row: Detection) -> dict[str, object]:
    user = signed_in(request)
    requests = row.submissions.select_related("by")
    if not user.is_reviewer:
        requests = requests.filter(by=user)
    return {
        "detection": row,
        "image": row.image,
        "card": verdict_card(row),
        "overlay": overlay(row),
        "faces": judged_faces(row),
        "submissions": requests,
        "file_facts": file_facts(row.image),
        "metadata": metadata_rows(row.image.facts),
        "is_owner": row.image.owner_id == user.pk,
        "may_erase": may_erase(user, row.image),
        "can_retry": row.failure_code in words.TRANSIENT_FAILURES,
    }
