"""Cases for machines: `/api/v1/cases`."""

import uuid
from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import caller, keyset_page, visible_detections
from detection.api.case_serializers import (
    CaseChanges,
    CaseForm,
    ImagesForm,
    NoteChanges,
    NoteForm,
    NoteSerializer,
    shown_case,
    shown_cases,
)
from detection.api.parsers import ObjectParser
from detection.api.permissions import CaseScopes
from detection.api.request_shapes import CASE_CHANGES, CASE_IMAGES, NEW_CASE, NEW_NOTE, NOTE_CHANGES
from detection.api.schema import JSON, operation, query
from detection.errors import Refused
from detection.models import Case, CaseNote
from detection.models.case import CaseQuerySet
from detection.services import case_notes, cases
from detection.services.case_summary import with_words
from detection.tags import normalised

STATES = ("open", "closed")
CURSOR = query("cursor", "`next` of the page before.", format="cursor")
FILTERS = [
    query("state", "Only open or closed ones.", enum=STATES),
    query("tag", "Only those with this tag."),
    CURSOR,
]


class CaseView(APIView):
    permission_classes = [*APIView.permission_classes, CaseScopes]
    parser_classes = [ObjectParser]


class CaseCollection(CaseView):
    @operation(
        "listCases", tag="Cases", answers={200: "CasePage"}, problems=[400], parameters=FILTERS
    )
    def get(self, request: Request) -> Response:
        """One's own cases and those one was added to, newest first, in keyset pages."""
        rows = _filtered(request)
        return keyset_page(rows, request.query_params, lambda some: shown_cases(some, request))

    @operation(
        "makeCase",
        tag="Cases",
        answers={201: "Case"},
        problems=[400, 413, 415, 422],
        body={JSON: NEW_CASE},
    )
    def post(self, request: Request) -> Response:
        """Make a case of one's own."""
        said = _said(CaseForm(data=request.data))
        row = cases.create(by=caller(request), **said)
        location = request.build_absolute_uri(reverse("api_case", args=[row.pk]))
        body, headers = shown_case(row, request), {"Location": location}
        return Response(body, status=status.HTTP_201_CREATED, headers=headers)


class CaseResource(CaseView):
    @operation("readCase", tag="Cases", answers={200: "Case"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """One case with its people and counts."""
        return Response(shown_case(_case(request, pk), request))

    @operation(
        "changeCase",
        tag="Cases",
        answers={200: "Case"},
        problems=[400, 404, 409, 413, 415, 422],
        body={JSON: CASE_CHANGES},
    )
    def patch(self, request: Request, pk: uuid.UUID) -> Response:
        """Change title, description or tags; close it or open it again."""
        row = _case(request, pk)
        said = _said(CaseChanges(data=request.data))
        version, is_closed = said.pop("version"), said.pop("is_closed", None)
        by = caller(request)
        with transaction.atomic():
            if is_closed is False:
                cases.reopen(by=by, case=row)
            if said:
                cases.edit(by=by, case=row, seen_version=version, **said)
            if is_closed:
                cases.close(by=by, case=row)
        return Response(shown_case(_case(request, pk), request))


class CaseImages(CaseView):
    @operation(
        "addImages",
        tag="Cases",
        answers={200: "Case"},
        problems=[400, 404, 409, 413, 415, 422],
        body={JSON: CASE_IMAGES},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Put images into a case, all or none, by a detection of each."""
        row = _case(request, pk)
        form = ImagesForm(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = set(form.validated_data["detections"])
        found = visible_detections(request).filter(pk__in=wanted)
        if len(found) != len(wanted):
            raise NotFound
        cases.add_images(
            by=caller(request),
            case=row,
            images=[detection.image for detection in found],
            shares_confidential=form.validated_data["share_confidential"],
        )
        return Response(shown_case(_case(request, pk), request))


class CaseImageResource(CaseView):
    @operation("removeImage", tag="Cases", answers={204: None}, problems=[404, 409])
    def delete(self, request: Request, pk: uuid.UUID, detection: uuid.UUID) -> Response:
        """Take the image of a detection out of a case; done as well where it is not in it."""
        row = _case(request, pk)
        rows = visible_detections(request).select_related("image__owner")
        found = get_object_or_404(rows, pk=detection)
        cases.remove_image(by=caller(request), case=row, image=found.image)
        return Response(status=status.HTTP_204_NO_CONTENT)


class NoteCollection(CaseView):
    @operation(
        "listNotes",
        tag="Cases",
        answers={200: "CaseNotePage"},
        problems=[400, 404],
        parameters=[CURSOR],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The notes of a case, newest first, in keyset pages."""
        rows = with_words(_case(request, pk).notes.all())

        def shown(some: list[CaseNote]) -> Any:
            return NoteSerializer(some, many=True).data

        return keyset_page(rows, request.query_params, shown)

    @operation(
        "writeNote",
        tag="Cases",
        answers={201: "CaseNote"},
        problems=[400, 404, 409, 413, 415],
        body={JSON: NEW_NOTE},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Write a note."""
        row = _case(request, pk)
        form = NoteForm(data=request.data)
        form.is_valid(raise_exception=True)
        note = case_notes.add_note(by=caller(request), case=row, **form.validated_data)
        return Response(NoteSerializer(note).data, status=status.HTTP_201_CREATED)


class NoteResource(CaseView):
    @operation(
        "changeNote",
        tag="Cases",
        answers={200: "CaseNote"},
        problems=[400, 404, 409, 413, 415],
        body={JSON: NOTE_CHANGES},
    )
    def patch(self, request: Request, pk: uuid.UUID, note: uuid.UUID) -> Response:
        """Write a newer version of one's own note."""
        found = _note(request, pk, note)
        form = NoteChanges(data=request.data)
        form.is_valid(raise_exception=True)
        case_notes.edit_note(
            by=caller(request),
            note=found,
            text=form.validated_data["text"],
            seen_version=form.validated_data["version"],
        )
        return Response(NoteSerializer(_note(request, pk, note)).data)

    @operation("removeNote", tag="Cases", answers={204: None}, problems=[404, 409])
    def delete(self, request: Request, pk: uuid.UUID, note: uuid.UUID) -> Response:
        """Take the words of a note, for good; that there was one stays."""
        case_notes.remove_note(by=caller(request), note=_note(request, pk, note))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _case(request: Request, pk: uuid.UUID) -> Case:
    rows = Case.objects.visible_to(caller(request)).select_related("owner")
    return get_object_or_404(rows.prefetch_related("tags"), pk=pk)


def _note(request: Request, pk: uuid.UUID, note: uuid.UUID) -> CaseNote:
    rows = with_words(_case(request, pk).notes.all()).select_related("case")
    return get_object_or_404(rows, pk=note)


def _said(form: CaseForm) -> dict[str, Any]:
    """The fields that were sent, tags as they are kept.

    Raises:
        Refused: the tags cannot be kept.
    """
    form.is_valid(raise_exception=True)
    said: dict[str, Any] = dict(form.validated_data)
    try:
        return said | ({"tags": normalised(said["tags"])} if "tags" in said else {})
    except ValueError as error:
        raise Refused("bad_tags", str(error)) from error


def _filtered(request: Request) -> CaseQuerySet:
    params = request.query_params
    rows = Case.objects.visible_to(caller(request)).select_related("owner")
    rows = rows.prefetch_related("tags")
    if (state := params.get("state")) is not None:
        if state not in STATES:
            raise ValidationError({"state": f"{state!r} is unknown; say open or closed."})
        rows = rows.filter(closed_at__isnull=state == "open")
    if (tag := params.get("tag")) is not None:
        if "\x00" in tag:
            raise ValidationError({"tag": "No tag has a NUL character."})
        rows = rows.filter(tags__name=tag)
    return rows
