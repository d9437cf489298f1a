"""Submit an image; read what the desk answers for."""

from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import signed_in
from detection import words
from detection.case_presentation import case_choices
from detection.detector import MOST_MEGAPIXELS
from detection.errors import Refused
from detection.limits import rare_fakes
from detection.models import ModelVersion, Submission
from detection.services.batches import Outcome
from detection.services.fetching import submit_url
from detection.services.submission import submit_image
from detection.uploads import StoredUpload, interrupted, uploaded
from detection.web.samples import SAMPLES, open_sample

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
        "most_megapixels": MOST_MEGAPIXELS[0],
        "others_megapixels": MOST_MEGAPIXELS[1],
        "session": _session_mark(request),
        "fetches_urls": settings.FETCH_URLS,
        "cases": case_choices(signed_in(request)),
        "chosen_case": request.POST.get("case") or request.GET.get("case", ""),
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
            case=request.POST.get("case", ""),
        )
    except Refused as refusal:
        return Outcome(name, refusal=refusal)
    return Outcome(name, submission=submission)
