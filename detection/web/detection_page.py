"""One detection: its verdict, and everything that stands beside it.

Each section of the page is a template of its own, and says here what it shows.
"""

import uuid

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import signed_in
from detection import words
from detection.claim_presentation import claims_section, outcome_section
from detection.explanation import judged_faces, overlay
from detection.file_section import file_section, technical_rows
from detection.models import Detection, Installation, Submission
from detection.presentation import file_facts, verdict_card
from detection.region_presentation import parts
from detection.report_presentation import report_section
from detection.services.file_reading import current_facts
from detection.services.seen_before import find, fingerprint
from detection.services.waiting import retry_detection
from detection.sightings import SeenBefore, seen_before
from detection.web.case_image_pages import cases_section
from detection.web.custody_pages import may_erase
from detection.web.judging_again_pages import other_verdicts
from detection.web.layer_pages import chosen_layers
from detection.web.review_section import review_section


@never_cache
@login_required
@require_GET
def detection(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row = visible(request, pk)
    user = signed_in(request)
    beside = {**_file(row, user), **review_section(row, user), **other_verdicts(row, user)}
    context = {**_context(request, row), **beside, "parts": parts(row)}
    return render(request, "detection/detection_detail.html", context)


@never_cache
@login_required
@require_GET
def detection_card(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The verdict alone, which the page asks for again until it is there."""
    row = visible(request, pk)
    return render(request, "detection/_verdict_card.html", _context(request, row))


@login_required
@require_POST
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    retry_detection(by=signed_in(request), detection=visible(request, pk))
    return redirect("detection", pk)


def visible(request: HttpRequest, pk: uuid.UUID) -> Detection:
    """The detection, for somebody who may see it; else 404."""
    rows = Detection.objects.visible_to(signed_in(request)).select_related(
        "image__owner", "model_version"
    )
    return get_object_or_404(rows, pk=pk)


def review_context(row: Detection, user: User) -> dict[str, object]:
    """What a reviewer is shown of a detection beside what they are to decide."""
    return {
        "detection": row,
        "image": row.image,
        **_verdict(row),
        "faces": judged_faces(row),
        **_submitted(row, user),
        **_file(row, user),
        **_seen_before(row, user),
    }


def _context(request: HttpRequest, row: Detection) -> dict[str, object]:
    user = signed_in(request)
    return {
        "detection": row,
        "image": row.image,
        **_verdict(row),
        **_picture(row),
        "layers": chosen_layers(request, row),
        **_submitted(row, user),
        **_custody(row, user),
        **cases_section(row.image, user),
        **_report(row, user),
        **outcome_section(row, user),
        **claims_section(row, user),
        **_seen_before(row, user),
    }


def _verdict(row: Detection) -> dict[str, object]:
    return {
        "card": verdict_card(row, fake_share=Installation.objects.expected_fake_share()),
        "can_retry": row.failure_code in words.TRANSIENT_FAILURES,
    }


def _picture(row: Detection) -> dict[str, object]:
    return {"overlay": overlay(row), "faces": judged_faces(row)}


def file_name_of(row: Detection, user: User) -> str:
    """The name that this person, or for a reviewer anybody, sent it under last."""
    sent = _submissions(row, user).order_by("-created_at").values_list("file_name", flat=True)
    return sent.first() or ""


def _file(row: Detection, user: User) -> dict[str, object]:
    """Whoever sees the detection may see the original, and so all that is in it."""
    image, facts = row.image, current_facts(row.image)
    section = file_section(
        facts,
        file_name=file_name_of(row, user),
        received=image.created_at,
        may_see_original=True,
    )
    return {"file_facts": [*file_facts(image), *technical_rows(facts)], "file": section}


def _submissions(row: Detection, user: User) -> QuerySet[Submission]:
    if row.judged_before_id and not row.submissions.exists():
        requests = row.image.submissions.select_related("by")  # it was not submitted again
    else:
        requests = row.submissions.select_related("by")
    return requests if user.is_reviewer else requests.filter(by=user)


def _submitted(row: Detection, user: User) -> dict[str, object]:
    return {"submissions": _submissions(row, user)}


def _report(row: Detection, user: User) -> dict[str, object]:
    return report_section(row, user)


def _seen_before(row: Detection, user: User) -> dict[str, object]:
    """Looked for only where a template asks: the card that many pages poll shows none of it."""
    if row.status != Detection.Status.DONE:
        return {}

    def look() -> SeenBefore:
        found = find(user, fingerprint(row.image), beside=row)
        return seen_before(found, reader=user, beside=row)

    return {"seen": SimpleLazyObject(look)}


def _custody(row: Detection, user: User) -> dict[str, object]:
    return {
        "is_owner": row.image.owner_id == user.pk,
        "may_erase": may_erase(user, row.image),
    }
