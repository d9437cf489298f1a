"""The same functions as the pages, for machines: `/api/v1/detections`."""

import re
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from deepfake_site.problems import MEDIA_TYPE
from detection import history
from detection.api import idempotency
from detection.api.base import (
    NO_CURSOR,
    PAGE_SIZE,
    OneShape,
    caller,
    key_of,
    require_case,
    require_case_reading,
    via,
    visible_detections,
)
from detection.api.parsers import ObjectParser
from detection.api.permissions import DetectionScopes
from detection.api.preferences import applied, held, wished_wait_s
from detection.api.request_shapes import SUBMISSION, SUBMISSION_BY_ADDRESS
from detection.api.schema import FORM, JSON, ONCE, WAIT, operation, query
from detection.api.serializers import DetectionSerializer, SubmissionSerializer
from detection.api.shapes import ref
from detection.errors import Refused
from detection.history import Asked, Order
from detection.models import Detection, ModelVersion, Submission
from detection.models.detection import DetectionQuerySet
from detection.models.history import Kind
from detection.models.tag import MAX_TAG
from detection.sandbox import FOR_TEN_MINUTES, sandboxed
from detection.services import evidence, fetching, keeping, submission
from detection.services.idempotency import claim
from detection.services.reviewed import Said, detections_reviewed
from detection.uploads import StoredUpload, interrupted, uploaded


def _any_of(known: type[models.TextChoices]) -> str:
    one = "|".join(known.values)
    return f"^({one})(,({one}))*$"


FILTERS = [
    query(
        "q",
        "Words of the file name or source address, or the beginning of a SHA-256 or an id; of "
        "other people's images, reviewers alone find names.",
        maxLength=200,
    ),
    query(
        "verdict", "Only this one, or one of several: `a,b`.", pattern=_any_of(Detection.Verdict)
    ),
    query("status", "Only those in this state.", enum=Detection.Status.values),
    query("since", "Received then or later.", format="date-time"),
    query("until", "Received before.", format="date-time"),
    query("sha256", "Of the image with this SHA-256.", pattern="^[0-9A-Fa-f]{64}$"),
    query("batch", "Of one batch.", format="uuid"),
    query("model", "Judged by this version: its `artifact_sha256`.", pattern="^[0-9a-f]{64}$"),
    query("tag", "Of images with this tag.", maxLength=50),
    query("case", "Of images in this case; a key needs `cases:read`.", format="uuid"),
    query(
        "person",
        "Of this person's images, by e-mail address; others' for reviewers.",
        maxLength=254,
    ),
    query(
        "review",
        "About which a review stands that says so, be it any, or that it contradicts the verdict; "
        "reviewers are not told of what they may still decide.",
        enum=Said.values,
    ),
    query("order", "`newest` first, unless said otherwise.", enum=Order.values),
    query("cursor", "`next` of the page before, of the same order.", format="cursor"),
]
RETRY_AFTER_S = 1
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


class DetectionCollection(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    parser_classes = [MultiPartParser, ObjectParser]

    @operation(
        "listDetections",
        tag="Detections",
        answers={200: "DetectionPage"},
        problems=[400, 422, 503],
        parameters=FILTERS,
    )
    def get(self, request: Request) -> Response:
        """The detections one sees, newest first unless said otherwise, in keyset pages."""
        require_case_reading(request)
        asked = _asked(request)
        cursor = request.query_params.get("cursor", "")
        if not history.is_cursor(asked.order, cursor):
            if any(history.is_cursor(order, cursor) for order in Order.values):
                raise Refused("cursor_of_other_order")
            raise ValidationError({"cursor": NO_CURSOR})
        try:
            found = history.find(caller(request), asked, cursor=cursor, size=PAGE_SIZE)
        except history.TooSlow:
            raise Refused("search_too_slow") from None
        rows = visible_detections(request).in_bulk(found.ids)
        shown = DetectionSerializer(
            [rows[pk] for pk in found.ids if pk in rows], many=True, context={"request": request}
        )
        return Response({"results": shown.data, "next": found.next_cursor or None})

    @operation(
        "submitImage",
        tag="Detections",
        answers={200: "Detection", 202: "Detection"},
        problems=[400, 409, 413, 415, 422, 503, 507],
        body={FORM: SUBMISSION, JSON: SUBMISSION_BY_ADDRESS},
        parameters=[WAIT, ONCE],
    )
    def post(self, request: Request) -> Response:
        """Accept one image: 202 while it is being judged, 200 when these bytes already were."""
        form = SubmissionSerializer(data=request.data)
        uploads = images_of(request)
        form.is_valid(raise_exception=True)
        promise = idempotency.promise_of(request, "detections", form.said(), uploads)
        fields = dict(form.validated_data)
        require_case(request, fields.get("case", ""))
        with ExitStack() as arrival:
            if url := fields.pop("url", None):
                upload, fields["source_url"] = arrival.enter_context(fetching.fetched(url))
            else:
                (upload,) = uploads
            wanted = submission.Request(
                by=caller(request), via=via(request), api_key=key_of(request), **fields
            )
            file = arrival.enter_context(keeping.kept(upload, by=wanted.by))
            with transaction.atomic():
                row = claim(promise) if promise else None
                accepted = submission.accept(file, wanted)
                answer = _acceptance(request, accepted)
                if row is not None:
                    idempotency.keep(row, answer, detection=accepted.detection)
        if answer.status_code == status.HTTP_200_OK:
            return applied(answer, wished_wait_s(request))
        granted_s = held(request, accepted.detection_id)
        if granted_s and (ended := _ended(request, accepted)):
            answer = ended
            if row is not None:
                idempotency.keep(row, answer, detection=accepted.detection)
        return applied(answer, granted_s)


class DetectionResource(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]

    @operation(
        "readDetection",
        tag="Detections",
        answers={200: "Detection"},
        problems=[404],
        parameters=[WAIT],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """One detection, at once or when it has ended; unfinished, when to ask again."""
        row = get_object_or_404(visible_detections(request), pk=pk)
        granted_s = wished_wait_s(request) if row.is_finished else held(request, pk)
        if granted_s and not row.is_finished:
            row = get_object_or_404(visible_detections(request), pk=pk)
        answer = Response(DetectionSerializer(row, context={"request": request}).data)
        if not row.is_finished:
            answer["Retry-After"] = str(RETRY_AFTER_S)
        return applied(answer, granted_s)


class DetectionHeatmap(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    content_negotiation_class = OneShape

    @extend_schema(
        operation_id="readHeatmap",
        tags=["Detections"],
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            **{(status, MEDIA_TYPE): ref("Problem") for status in (401, 403, 404, 429)},
        },
    )
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        """A transparent PNG; where there is nothing to show, it is not found."""
        png = evidence.heatmap(get_object_or_404(visible_detections(request), pk=pk))
        if png is None:
            raise NotFound
        return sandboxed(HttpResponse(png, content_type="image/png"), cache_control=FOR_TEN_MINUTES)


def images_of(request: Request) -> list[StoredUpload]:
    """The one file of the request, or none where it brings an address instead.

    Raises:
        Refused: there is neither, or the body broke off.
        ValidationError: there are several, both, or they came under another name.
    """
    uploads = uploaded(request._request, "image")
    if refusal := interrupted(request._request):
        raise Refused(refusal)
    if strays := sorted(set(request._request.FILES) - {"image"}):
        raise ValidationError(dict.fromkeys(strays, "Unknown field; the file belongs in `image`."))
    has_url = "url" in request.data
    if not uploads and not has_url:
        raise Refused("no_file")
    if len(uploads) + has_url > 1 or (has_url and "image" in request.data):
        raise ValidationError({"image": "Send exactly one image, or one url instead."})
    return uploads


def _acceptance(request: Request, accepted: Submission) -> Response:
    """The answer to a submission, from rows at hand: it is made in the submission's transaction."""
    context = {"request": request, "metadata": accepted.metadata}
    return _response(request, accepted.detection, context)


def _ended(request: Request, accepted: Submission) -> Response | None:
    """The answer with the verdict; None without one, or where the image was erased meanwhile."""
    row = visible_detections(request).filter(pk=accepted.detection_id).first()
    if row is None or not row.is_finished:
        return None
    return _response(request, row, {"request": request, "metadata": accepted.metadata})


def _response(request: Request, row: Detection, context: dict[str, Any]) -> Response:
    headers = {"Location": request.build_absolute_uri(reverse("api_detection", args=[row.pk]))}
    if not row.is_finished:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    code = status.HTTP_200_OK if row.is_finished else status.HTTP_202_ACCEPTED
    return Response(DetectionSerializer(row, context=context).data, status=code, headers=headers)


def _asked(request: Request) -> Asked:
    """The filters of the address; an impossible value is an error, not an empty list."""
    params, errors = request.query_params, {}
    read: dict[str, Any] = {}
    for name, (field, reader) in READERS.items():
        if (text := params.get(name)) is None:
            continue
        try:
            read[field] = reader(text)
        except ValueError as error:
            errors[name] = str(error)
    among: list[QuerySet[Any]] = []
    for name, rows in (("status", _in_state), ("sha256", _of_bytes), ("batch", _in_batch)):
        if name in read:
            among.append(rows(read.pop(name)))
    if "review" in read:
        among.append(detections_reviewed(caller(request), read.pop("review")))
    if "person" in read:
        person = User.objects.filter(email__iexact=read.pop("person").strip()).first()
        me = caller(request)
        read["owner"] = person if me.is_reviewer or person == me else None
        read["is_impossible"] = read["owner"] is None
    if errors:
        raise ValidationError(errors)
    return Asked(**read, among=tuple(among))


def _in_state(status: str) -> DetectionQuerySet:
    return Detection.objects.filter(status=status)


def _of_bytes(sha256: str) -> DetectionQuerySet:
    return Detection.objects.filter(image__sha256=sha256)


def _in_batch(batch: uuid.UUID) -> DetectionQuerySet:
    return Detection.objects.filter(
        pk__in=Submission.objects.filter(batch=batch).values("detection")
    )


def _kinds(text: str) -> frozenset[Kind]:
    return frozenset(Kind[_one_of(Detection.Verdict, one).upper()] for one in text.split(","))


def _one_of(known: type[models.TextChoices], text: str) -> str:
    if text not in known.values:
        raise ValueError(f"{text!r} is unknown; say one of {', '.join(known.values)}.")
    return text


def _sha256(text: str) -> str:
    if not SHA256.fullmatch(text):
        raise ValueError(f"{text!r} is no SHA-256, which has 64 hexadecimal digits.")
    return text.lower()


def _version(text: str) -> uuid.UUID:
    """The version whose artifact this is; an unknown one has judged nothing."""
    version = ModelVersion.objects.filter(artifact_sha256=_sha256(text)).first()
    return version.pk if version else uuid.UUID(int=0)


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ValueError(f"{text!r} is no id.") from None


def _since(text: str) -> datetime:
    moment = _moment(text)
    if moment is None:
        raise ValueError(f"{text!r} is no moment like 2026-05-01T12:00:00Z.")
    return moment


def _short(most: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > most:
            raise ValueError(f"At most {most} characters.")
        return text.replace("\x00", "")

    return read


# By the name in the address: the field of `Asked`, or the one taken out above, and who reads it.
READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "q": ("text", _short(200)),
    "verdict": ("kinds", _kinds),
    "status": ("status", lambda text: _one_of(Detection.Status, text)),
    "since": ("since", _since),
    "until": ("until", _since),
    "sha256": ("sha256", _sha256),
    "batch": ("batch", _id),
    "model": ("model", _version),
    "tag": ("tag", _short(MAX_TAG)),
    "case": ("case", _id),
    "person": ("person", _short(254)),
    "review": ("review", lambda text: _one_of(Said, text)),
    "order": ("order", lambda text: _one_of(Order, text)),
}


def _moment(text: str) -> datetime | None:
    """ISO 8601; without an offset it is UTC. In an address, a plus sign may arrive as a space."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+", 1))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # such as an offset that leads to the year 10000
        return None
