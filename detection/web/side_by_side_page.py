"""Two detections beside each other."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.permissions import signed_in
from detection.models import Installation
from detection.side_by_side import side_by_side
from detection.web.detection_page import file_name_of, visible


@never_cache
@login_required
@require_GET
def beside(request: HttpRequest, pk: uuid.UUID, detection: uuid.UUID) -> HttpResponse:
    """Both must be seen; otherwise neither exists."""
    user = signed_in(request)
    rows = visible(request, pk), visible(request, detection)
    names = file_name_of(rows[0], user), file_name_of(rows[1], user)
    compared = side_by_side(
        *rows, file_names=names, fake_share=Installation.objects.expected_fake_share()
    )
    context = {"compared": compared, "columns": list(zip(rows, names, compared.cards, strict=True))}
    return render(request, "detection/side_by_side.html", context)
