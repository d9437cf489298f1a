"""Labelled data for machines of administrators: `/api/v1/datasets`, `/imports`, `/snapshots`."""

import uuid
from typing import Any

from django.db.models import Prefetch
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import caller, keyset_page
from detection.api.case_serializers import Words
from detection.api.dataset_shapes import ARCHIVE, NEW_DATASET, NEW_SNAPSHOT, PLACE
from detection.api.parsers import ObjectParser
from detection.api.permissions import AdministratorsOnly, DeskScopes
from detection.api.schema import FORM, JSON, operation, query
from detection.api.serializers import NoUnknownFields
from detection.dataset_presentation import dataset_facts, failure_of, import_view
from detection.errors import Refused
from detection.models import Dataset, DatasetImport, ImportedFile, Snapshot
from detection.services import dataset_imports, datasets, snapshots
from detection.uploads import interrupted, uploaded

FILES_A_PAGE = 200
RETRY_AFTER_S = 5
CURSOR = query("cursor", "`next` of the page before.", format="cursor")
LABELS = {0: "real", 1: "fake", None: None}


class DatasetForm(NoUnknownFields, serializers.Serializer[Dataset]):
    """A new dataset."""

    name = Words(max_length=80)
    licence = Words(max_length=200)
    description = Words(max_length=2000, allow_blank=True, required=False)
    consent = Words(max_length=2000, allow_blank=True, required=False)


class PlaceForm(NoUnknownFields, serializers.Serializer[Any]):
    """What to import of what lies on the server."""

    path = Words(max_length=500)


class SnapshotForm(NoUnknownFields, serializers.Serializer[Snapshot]):
    """What to freeze."""

    name = Words(max_length=80)
    datasets = serializers.ListField(
        child=serializers.UUIDField(), allow_empty=False, max_length=100
    )


class DataView(APIView):
    permission_classes = [*APIView.permission_classes, DeskScopes, AdministratorsOnly]
    parser_classes = [ObjectParser]


class DatasetCollection(DataView):
    @operation(
        "listDatasets",
        tag="Labelled data",
        answers={200: "DatasetPage"},
        problems=[400, 404],
        parameters=[CURSOR],
    )
    def get(self, request: Request) -> Response:
        """Datasets with how many images each holds, newest first."""
        counted = datasets.totals()

        def shown(rows: list[Dataset]) -> Any:
            return [_dataset(request, row, counted.get(row.pk)) for row in rows]

        return keyset_page(Dataset.objects.all(), request.query_params, shown)

    @operation(
        "makeDataset",
        tag="Labelled data",
        answers={201: "Dataset"},
        problems=[400, 404, 409, 413, 415],
        body={JSON: NEW_DATASET},
    )
    def post(self, request: Request) -> Response:
        """Make an empty dataset; all of its images have one licence."""
        form = DatasetForm(data=request.data)
        form.is_valid(raise_exception=True)
        row = datasets.create(by=caller(request), **form.validated_data)
        return _made(request, _dataset(request, row, None), "api_dataset", row.pk)


class DatasetResource(DataView):
    @operation("readDataset", tag="Labelled data", answers={200: "DatasetDetail"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """One dataset, with counts by source and split."""
        row = get_object_or_404(Dataset, pk=pk)
        counts = [
            {"source": one.source, "split": one.split, "real": one.real, "fake": one.fake}
            for one in datasets.counts(row)
        ]
        return Response({**_dataset(request, row, None), "counts": counts})


class ImportCollection(DataView):
    parser_classes = [ObjectParser, MultiPartParser]

    @operation(
        "listImports",
        tag="Labelled data",
        answers={200: "DatasetImportPage"},
        problems=[400, 404],
        parameters=[CURSOR],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """Imports into a dataset, newest first."""
        dataset = get_object_or_404(Dataset, pk=pk)
        rows = DatasetImport.objects.filter(dataset=dataset)
        return keyset_page(
            rows, request.query_params, lambda some: [_import(request, row) for row in some]
        )

    @operation(
        "importImages",
        tag="Labelled data",
        answers={202: "DatasetImport"},
        problems=[400, 404, 409, 413, 415, 422, 507],
        body={FORM: ARCHIVE, JSON: PLACE},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Import a ZIP that is sent, or what lies on the server; ask again how far it is."""
        dataset = get_object_or_404(Dataset, pk=pk)
        row = _ordered(request, dataset)
        answer = _made(request, _import(request, row), "api_import", row.pk)
        answer.status_code = status.HTTP_202_ACCEPTED
        answer["Retry-After"] = str(RETRY_AFTER_S)
        return answer


class ImportResource(DataView):
    @operation("readImport", tag="Labelled data", answers={200: "DatasetImport"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """How far an import is, and what became of its files."""
        row = get_object_or_404(DatasetImport, pk=pk)
        headers = {} if row.is_finished else {"Retry-After": str(RETRY_AFTER_S)}
        return Response(_import(request, row), headers=headers)


class ImportFiles(DataView):
    @operation(
        "listImportedFiles",
        tag="Labelled data",
        answers={200: "ImportedFilePage"},
        problems=[400, 404],
        parameters=[
            query("outcome", "Only those.", enum=ImportedFile.Outcome.values),
            query("cursor", "`next` of the page before."),
        ],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The files of an import in their order, each with what became of it."""
        rows = get_object_or_404(DatasetImport, pk=pk).files.order_by("position")
        outcome = request.query_params.get("outcome")
        if outcome is not None:
            if outcome not in ImportedFile.Outcome.values:
                raise ValidationError({"outcome": "There is no such outcome."})
            rows = rows.filter(outcome=outcome)
        rows = rows.filter(position__gt=_position(request))
        some = list(rows[: FILES_A_PAGE + 1])
        following = str(some[FILES_A_PAGE - 1].position) if len(some) > FILES_A_PAGE else None
        return Response({"results": [_file(row) for row in some[:FILES_A_PAGE]], "next": following})


class SnapshotCollection(DataView):
    @operation(
        "listSnapshots",
        tag="Labelled data",
        answers={200: "SnapshotPage"},
        problems=[400, 404],
        parameters=[CURSOR],
    )
    def get(self, request: Request) -> Response:
        """Frozen lists of labelled images, newest first."""
        rows = Snapshot.objects.prefetch_related(Prefetch("datasets", Dataset.objects.only("id")))
        return keyset_page(rows, request.query_params, lambda some: list(map(_snapshot, some)))

    @operation(
        "freezeSnapshot",
        tag="Labelled data",
        answers={201: "Snapshot"},
        problems=[400, 404, 409, 413, 415],
        body={JSON: NEW_SNAPSHOT},
    )
    def post(self, request: Request) -> Response:
        """Freeze what datasets hold now; the same rows give the snapshot that there is."""
        form = SnapshotForm(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = set(form.validated_data["datasets"])
        found = list(Dataset.objects.filter(pk__in=wanted))
        if len(found) != len(wanted):
            raise NotFound
        row = snapshots.freeze(found, name=form.validated_data["name"], by=caller(request))
        return _made(request, _snapshot(row), "api_snapshot", row.pk)


class SnapshotResource(DataView):
    @operation("readSnapshot", tag="Labelled data", answers={200: "Snapshot"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """One snapshot."""
        return Response(_snapshot(get_object_or_404(Snapshot, pk=pk)))


def _ordered(request: Request, dataset: Dataset) -> DatasetImport:
    by = caller(request)
    if (request.content_type or "").startswith("multipart/"):
        return _ordered_archive(request, dataset)
    form = PlaceForm(data=request.data)
    form.is_valid(raise_exception=True)
    return dataset_imports.order_path(by=by, dataset=dataset, path=form.validated_data["path"])


def _ordered_archive(request: Request, dataset: Dataset) -> DatasetImport:
    strays = sorted({*request.data, *request._request.FILES} - {"archive"})
    uploads = uploaded(request._request, "archive")
    if refusal := interrupted(request._request):
        raise Refused(refusal)
    if strays:
        raise ValidationError(dict.fromkeys(strays, "Unknown field."))
    if len(uploads) != 1:
        raise ValidationError({"archive": "Send one ZIP file."})
    return dataset_imports.order_archive(by=caller(request), dataset=dataset, upload=uploads[0])


def _position(request: Request) -> int:
    cursor = request.query_params.get("cursor", "")
    if not cursor:
        return -1
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        raise ValidationError({"cursor": "This is not a cursor that this API gave out."})
    return int(cursor)


def _made(request: Request, body: dict[str, Any], name: str, pk: uuid.UUID) -> Response:
    location = request.build_absolute_uri(reverse(name, args=[pk]))
    return Response(body, status=status.HTTP_201_CREATED, headers={"Location": location})


def _links(request: Request, **names: tuple[str, uuid.UUID]) -> dict[str, str]:
    return {
        link: request.build_absolute_uri(reverse(name, args=[pk]))
        for link, (name, pk) in names.items()
    }


def _dataset(request: Request, row: Dataset, images: dict[str, int] | None) -> dict[str, Any]:
    links = _links(request, page=("dataset", row.pk), imports=("api_dataset_imports", row.pk))
    return {**dataset_facts(row, images), "links": links}


def _import(request: Request, row: DatasetImport) -> dict[str, Any]:
    view = import_view(row)
    return {
        "id": str(row.pk),
        "dataset": str(row.dataset_id),
        "name": row.name,
        "status": row.status,
        "stage": row.stage,
        "done": row.done,
        "total": row.total,
        "outcome": {one.code: one.files for one in view.outcomes},
        "failure": {"code": row.failure_code, "detail": failure_of(row)} if view.failure else None,
        "created_at": row.created_at,
        "completed_at": row.completed_at,
        "links": _links(
            request,
            page=("dataset_import_page", row.pk),
            self=("api_import", row.pk),
            files=("api_import_files", row.pk),
        ),
    }


def _file(row: ImportedFile) -> dict[str, Any]:
    return {
        "name": row.name,
        "outcome": row.outcome,
        "note": row.note,
        "label": LABELS[row.label],
        "source": row.source,
        "sha256": row.sha256 or None,
    }


def _snapshot(row: Snapshot) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "sha256": row.sha256,
        "is_whole": row.is_whole,
        "broken_at": row.broken_at,
        "created_at": row.created_at,
        "datasets": sorted(str(one.pk) for one in row.datasets.all()),
        "counts": row.counts,
    }
