"""Labelled data: its datasets, what is in one, imports into it, and frozen lists."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import administrator_required, signed_in
from detection import detector, previews, storage
from detection.dataset_presentation import import_view, split_rows
from detection.errors import Refused
from detection.models import Dataset, DatasetImport, LabelledImage, Snapshot
from detection.paging import page
from detection.sandbox import FOR_TEN_MINUTES, sandboxed
from detection.services import dataset_imports, datasets, snapshots
from detection.uploads import StoredUpload, interrupted, uploaded
from detection.web.dataset_forms import (
    DatasetForm,
    FreezeForm,
    OutcomeForm,
    PathForm,
    SampleForm,
)
from ml.errors import DecoderUnavailable, UnreadableImage

PAGE_SIZE, SAMPLE_SIZE, FILES_SIZE, LATEST = 50, 24, 100, 10
MEGABYTE = 1024 * 1024
BESIDE = "id_dataset_%s"  # another form of that page has a name too


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
def overview(request: HttpRequest) -> HttpResponse:
    """All datasets and snapshots; POST makes a dataset."""
    if request.method == "GET":
        return _overview(request)
    form = DatasetForm(request.POST, label_suffix="", auto_id=BESIDE)
    if not form.is_valid():
        return _overview(request, form=form, status=400)
    try:
        row = datasets.create(by=signed_in(request), **form.cleaned_data)
    except Refused as refusal:
        form.add_error("name", refusal.detail)
        return _overview(request, form=form, status=refusal.status)
    return redirect("dataset", row.pk)


@never_cache
@administrator_required
@require_POST
def freeze(request: HttpRequest) -> HttpResponse:
    form = FreezeForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _overview(request, freezing=form, status=400)
    chosen = list(form.cleaned_data["datasets"])
    try:
        row = snapshots.freeze(chosen, name=form.cleaned_data["name"], by=signed_in(request))
    except Refused as refusal:
        form.add_error(None, refusal.detail)
        return _overview(request, freezing=form, status=refusal.status)
    return redirect("snapshot", row.pk)


@never_cache
@administrator_required
@require_GET
def snapshot(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    rows = Snapshot.objects.select_related("by").prefetch_related("datasets")
    row = get_object_or_404(rows, pk=pk)
    context = {
        "snapshot": row,
        "rows": split_rows(row),
        "images": row.images.count(),
        "removed": row.images.exclude(removed_at=None).count(),
    }
    return render(request, "detection/snapshot_detail.html", context)


@never_cache
@administrator_required
@require_GET
def dataset(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _dataset(request, get_object_or_404(Dataset, pk=pk))


@never_cache
@administrator_required
@require_POST
def order_import(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Import an uploaded ZIP, or what lies on the server."""
    row = get_object_or_404(Dataset, pk=pk)
    uploads = uploaded(request, "archive")  # reads the body, and finds out whether it broke off
    try:
        if "path" in request.POST:
            made = _ordered_path(request, row)
        else:
            made = _ordered_archive(request, row, uploads)
    except Refused as refusal:
        return _dataset(request, row, refusal=refusal)
    return redirect("dataset_import_page", made.pk)


@never_cache
@administrator_required
@require_GET
def dataset_import(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """How far an import is, and what became of each of its files."""
    row = get_object_or_404(DatasetImport.objects.select_related("dataset", "by"), pk=pk)
    form = OutcomeForm(request.GET, label_suffix="")
    outcome = form.cleaned_data["outcome"] if form.is_valid() else ""
    files = row.files.filter(outcome=outcome) if outcome else row.files.all()
    shown = Paginator(files.order_by("position"), FILES_SIZE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "import": import_view(row),
        "form": form,
        "files": shown,
        "query": query.urlencode(),
        "outcome": outcome,
    }
    status = 200 if form.is_valid() else 400
    return render(request, "detection/dataset_import.html", context, status=status)


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
def labelled_image(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One labelled image; POST takes it out of what is learnt from."""
    rows = LabelledImage.objects.select_related("dataset", "image__owner")
    row = get_object_or_404(rows, pk=pk)
    if request.method == "POST":
        if datasets.remove([row], by=signed_in(request), because="administrator"):
            messages.success(request, _("It is taken out. Snapshots that held it are broken."))
        return redirect("dataset", row.dataset_id)
    context = {
        "labelled": row,
        "near": LabelledImage.objects.usable().filter(group=row.group).exclude(pk=pk)[:LATEST],
        "snapshots": row.snapshots.newest_first()[:LATEST],
    }
    return render(request, "detection/labelled_image.html", context)


@administrator_required
@require_GET
def labelled_preview(request: HttpRequest, pk: uuid.UUID) -> FileResponse:
    """A JPEG rebuilt from pixels; 404 for what was removed."""
    rows = LabelledImage.objects.usable().select_related("image")
    row = get_object_or_404(rows, pk=pk)
    try:
        if row.image is None:
            path = previews.labelled_preview(row.sha256)
        else:
            path = previews.preview(row.image, previews.PREVIEW_SIDES[-1])
    except (UnreadableImage, DecoderUnavailable, detector.OriginalMissing):
        raise Http404 from None
    response = FileResponse(storage.opened(path), content_type="image/jpeg")
    return sandboxed(response, cache_control=FOR_TEN_MINUTES)


def _ordered_path(request: HttpRequest, row: Dataset) -> DatasetImport:
    form = PathForm(request.POST)
    if not form.is_valid():
        raise Refused("import_path_outside")
    return dataset_imports.order_path(
        by=signed_in(request), dataset=row, path=form.cleaned_data["path"]
    )


def _ordered_archive(
    request: HttpRequest, row: Dataset, uploads: list[StoredUpload]
) -> DatasetImport:
    if refusal := interrupted(request):
        raise Refused(refusal)
    if not uploads:
        raise Refused("no_archive")
    return dataset_imports.order_archive(by=signed_in(request), dataset=row, upload=uploads[0])


def _overview(
    request: HttpRequest,
    *,
    form: DatasetForm | None = None,
    freezing: FreezeForm | None = None,
    status: int = 200,
) -> HttpResponse:
    unfinished = Count("imports", filter=Q(imports__status__in=datasets.UNFINISHED))
    rows = Dataset.objects.annotate(unfinished=unfinished).order_by("name")
    shown = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    counted = datasets.totals()
    frozen = page(
        Snapshot.objects.annotate(size=Count("images")),
        cursor=request.GET.get("cursor", ""),
        size=LATEST,
    )
    context = {
        "datasets": shown,
        "rows": [(row, counted.get(row.pk, {"real": 0, "fake": 0})) for row in shown],
        "form": form or DatasetForm(label_suffix="", auto_id=BESIDE),
        "freezing": freezing or FreezeForm(label_suffix=""),
        "can_freeze": bool(counted),
        "snapshots": frozen.rows,
        "next_cursor": frozen.next_cursor,
    }
    return render(request, "detection/dataset_list.html", context, status=status)


def _dataset(request: HttpRequest, row: Dataset, refusal: Refused | None = None) -> HttpResponse:
    imports = list(DatasetImport.objects.filter(dataset=row).newest_first()[:LATEST])
    context = {
        "dataset": row,
        "counts": datasets.counts(row),
        "imports": [import_view(one) for one in imports],
        "is_going_on": not all(one.is_finished for one in imports),
        "refusal": refusal,
        "path_form": PathForm(label_suffix="") if settings.IMPORT_DIR else None,
        "max_archive_mb": settings.MAX_ARCHIVE_BYTES // MEGABYTE,
        "max_image_mb": settings.MAX_UPLOAD_BYTES // MEGABYTE,
        "snapshots": row.snapshots.newest_first()[:LATEST],
        **_sample(request, row),
    }
    status = refusal.status if refusal else 200
    return render(request, "detection/dataset_detail.html", context, status=status)


def _sample(request: HttpRequest, row: Dataset) -> dict[str, Any]:
    """One page of pictures, the latest first."""
    form = SampleForm(request.GET, label_suffix="")
    wanted = form.matching() if form.is_valid() else {}
    rows = LabelledImage.objects.usable().filter(dataset=row, **wanted)
    found = page(rows, cursor=request.GET.get("cursor", ""), size=SAMPLE_SIZE)
    query = request.GET.copy()
    query["cursor"] = found.next_cursor
    return {
        "sample_form": form,
        "sample": found.rows,
        "sample_next": query.urlencode() if found.next_cursor else "",
        "is_narrowed": bool(wanted),
    }
